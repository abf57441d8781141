"""The namespaces that a node lives in: network, mounts and processes.

All that a node starts is below one process, the first of a process namespace. When that one ends, in whatever way, the
kernel ends all the others, and with the last of them go the mounts, the network devices and the sockets' places. So
an aborted run leaves nothing but files and empty control groups.
"""

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.harness.leftovers import CGROUPS
from tests.harness.node_files import GATEWAY, NODE_ADDRESS, NodePaths
from tests.harness.steps import run

UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
"""Command that starts a program in namespaces of its own. Its mounts are not seen outside."""

VOLUMES = Path("/tmp/hostpath_pv")  # noqa: S108 - fixed in the controller-manager
"""Where the controller-manager makes the directories of persistent volumes; it cannot be told otherwise."""

PRODUCT_USER = 65532
"""User and group of the controller-manager, who thus owns the volumes, and of the product's pods, who can thus write to
them: a kubelet changes the group of many kinds of volume, but not of directories on the node."""

_HIDDEN = ("/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers")
"""Folders outside the state folder that programs write to, and cannot be told otherwise; in these namespaces they are
empty and in memory."""

BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
"""Whether iptables sees traffic between two pods of a bridge; the file exists if the kernel can do it."""

REQUIRED_CONTROLLERS = "+cpu +cpuset +memory +pids"
"""What a kubelet needs in its control group, for version 2 of control groups."""


def mount_points() -> list[Path]:
    """Folders of the machine that are mounted over inside; empty ones outside are nobody's loss."""
    return [VOLUMES, *map(Path, _HIDDEN)]


def create_mount_points() -> None:
    """Make the folders that are mounted over, outside."""
    for point in mount_points():
        point.mkdir(parents=True, exist_ok=True)


def remove_mount_points() -> None:
    """Remove the folders that were mounted over, where they are empty; somebody else's stay."""
    for point in mount_points():
        with contextlib.suppress(OSError):
            point.rmdir()


def mount_private_folders(paths: NodePaths) -> None:
    """Mount what programs write outside the state folder onto memory or the state folder; called inside."""
    run(["mount", "-t", "tmpfs", "tmpfs", "/run"])
    for folder in _HIDDEN:
        run(["mount", "-t", "tmpfs", "tmpfs", folder])
    paths.volumes.mkdir(exist_ok=True)
    os.chown(paths.volumes, PRODUCT_USER, PRODUCT_USER)
    run(["mount", "--bind", paths.volumes, VOLUMES])
    # Containers see mounts that the kubelet makes later only below a shared one; shared among ourselves alone.
    run(["mount", "--make-rshared", "/"])


def set_up_network() -> None:
    """Give the network namespace an address and a route that leads nowhere; called inside."""
    run(["ip", "link", "set", "lo", "up"])
    # A pair whose other end stays here: this works where the kernel knows no dummy devices.
    run(["ip", "link", "add", "node0", "type", "veth", "peer", "name", "node1"])
    run(["ip", "address", "add", f"{NODE_ADDRESS}/24", "dev", "node0"])
    run(["ip", "link", "set", "node0", "up"])
    run(["ip", "link", "set", "node1", "up"])
    run(["ip", "route", "add", "default", "via", GATEWAY, "dev", "node0"])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    if BRIDGE_FILTER.exists():
        BRIDGE_FILTER.write_text("1")


def create_cgroup(name: str, root: Path = CGROUPS) -> None:
    """Make the control group of the pods in each hierarchy.

    Parameters
    ----------
    name
        Name of the group.
    root
        Where control groups are mounted.
    """
    if (root / "cgroup.controllers").exists():
        (root / "cgroup.subtree_control").write_text(REQUIRED_CONTROLLERS)
        (root / name).mkdir(exist_ok=True)
        (root / name / "cgroup.subtree_control").write_text(REQUIRED_CONTROLLERS)
        return
    for hierarchy in root.iterdir():
        if hierarchy.is_dir():
            (hierarchy / name).mkdir(exist_ok=True)
    # New groups have no processors or memory nodes until they are given some.
    for setting in ("cpuset.cpus", "cpuset.mems"):
        (root / "cpuset" / name / setting).write_text((root / "cpuset" / setting).read_text())


def run_as_product_user() -> tuple[str, ...]:
    """Prefix that runs a program as the product's user, who may still read and delete everything."""
    ids = (f"--reuid={PRODUCT_USER}", f"--regid={PRODUCT_USER}", "--clear-groups")
    return ("setpriv", *ids, "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--")


def supervisor_command(state: Path, archives: Iterable[Path]) -> list[str]:
    """Command line of the node's first process, in namespaces of its own.

    Parameters
    ----------
    state
        State folder of the node.
    archives
        Image archives that the node imports while it comes up.
    """
    return [*UNSHARE, sys.executable, "-m", "tests.harness.supervisor", str(state), *map(str, archives)]

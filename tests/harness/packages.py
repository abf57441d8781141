"""Debian packages that a node and the images need, installed when missing."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.harness.errors import HarnessError
from tests.harness.locks import apt_lock
from tests.harness.steps import run, step

CNI_PLUGINS = Path("/usr/lib/cni")
"""Where Debian puts the network plugins."""

NODE_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    f"{CNI_PLUGINS}/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "socat": "socat",
    "ip": "iproute2",
    "mount": "mount",
    "unshare": "util-linux",
    "openssl": "openssl",
    "busybox": "busybox-static",
    "redis-server": "redis-server",
}
"""Package that brings each program (or file, by its path) of a node."""

IMAGE_PACKAGES = {"buildah": "buildah", "debootstrap": "debootstrap", "unshare": "util-linux", "runc": "runc"}
"""Package that brings each program that the images are built with."""


def missing(wanted: dict[str, str]) -> list[str]:
    """Packages of the programs that are not here, sorted.

    Parameters
    ----------
    wanted
        Package of each program, by name or by absolute path.
    """
    return sorted(
        {package for program, package in wanted.items() if shutil.which(program, path=_search_path()) is None}
    )


def install(wanted: dict[str, str]) -> None:
    """Install what is missing, and say what.

    Raises
    ------
    HarnessError
        If this is not Debian (or a child of it), we are not root, or apt-get fails.
    """
    packages = missing(wanted)
    if not packages:
        return
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise HarnessError(f"packages are missing and there is no apt-get to install them: {names}")
    if os.geteuid() != 0:
        raise HarnessError(f"packages are missing and only root may install them: {names}")
    with step(f"install Debian packages: {names}"):
        _apt_get(["update"])
        _apt_get(["install", "--yes", "--no-install-recommends", *packages])


def _apt_get(words: Iterable[str]) -> None:
    with apt_lock():
        run(["apt-get", "-qq", *words], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def _search_path() -> str:
    """PATH with the folders of system programs, which a user's own PATH may lack."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

"""A real node on this machine: ``python3 -m tests.harness.cluster up | down | status | load | run -- COMMAND``.

``up`` starts a node, or cleans what an aborted one left and starts anew, or finds it running and only loads images that
changed. ``down`` leaves nothing but caches. ``run`` runs a command in the node's network namespace with ``KUBECONFIG``
and the S3 server's address in its environment, as the end-to-end tests need. The state folder is
``${XDG_CACHE_HOME:-~/.cache}/simplemem/cluster`` unless ``SIMPLEMEM_CLUSTER`` names another.
"""

import argparse
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tests.harness import addons, build, isolation
from tests.harness.catalogue import NODE
from tests.harness.errors import HarnessError
from tests.harness.images import exported_archives
from tests.harness.leftovers import ProcessRecord, kill_tree, remove_cgroups, remove_folder
from tests.harness.locks import locked
from tests.harness.node import import_product_image
from tests.harness.node_files import NodePaths
from tests.harness.packages import NODE_PACKAGES, install
from tests.harness.paths import REPOSITORY, cache_dir
from tests.harness.steps import run, step
from tests.harness.supervisor import FAILED, READY, ready_file

UNSUITABLE = ("/run", "/tmp", "/var/lib/kubelet", "/var/lib/cni", "/var/log")  # noqa: S108 - names, not files
"""Folders that may not hold the state folder: the node hides them from its programs, or others clean them."""


class Cluster:
    """The node of one state folder, seen from outside.

    Parameters
    ----------
    state
        Folder for all its files.
    """

    def __init__(self, state: Path | None = None) -> None:
        named = os.environ.get("SIMPLEMEM_CLUSTER")
        self.paths = NodePaths((state or (Path(named) if named else cache_dir() / "cluster")).resolve())
        self.kubeconfig = self.paths.state / "admin.kubeconfig"
        self._record_file = self.paths.state / "supervisor.json"
        self._loaded_file = self.paths.state / "loaded-images"

    @property
    def is_running(self) -> bool:
        """Whether the node was ready once and its first process lives, as it does only while all its programs do."""
        record = self._record()
        return record is not None and record.is_alive() and ready_file(self.paths).exists()

    def up(self) -> None:
        """Have a node that runs, with the images that exist now.

        Raises
        ------
        HarnessError
            If the machine cannot have one, or a part does not start; nothing is left running then.
        """
        self._check_machine()
        with self._alone():
            if not self.is_running:
                install(NODE_PACKAGES)
                with step("programs"):
                    build.ensure(NODE)
                self._remove()
                self._start()
            self.load()
        print(f"export KUBECONFIG={self.kubeconfig}", flush=True)
        print(f"enter the network with: {' '.join(self.in_namespace([]))}", flush=True)

    def down(self) -> None:
        """End the node and remove all that it left, or that an aborted one left."""
        with self._alone():
            self._remove()

    def load(self) -> None:
        """Import the image archives that were exported since the last import."""
        loaded = self._loaded_file.read_text().splitlines() if self._loaded_file.exists() else []
        archives = exported_archives()
        for archive in archives:
            if archive.name not in loaded:
                import_product_image(self.paths, archive)
        self._remember_loaded(archives)

    def in_namespace(self, argv: Sequence[str | Path]) -> list[str]:
        """Command line that runs the given one in the node's network namespace.

        Raises
        ------
        HarnessError
            If no node runs.
        """
        record = self._record()
        if record is None or not self.is_running:
            raise HarnessError(f"no node runs in '{self.paths.state}'; start one with `make cluster`")
        return ["nsenter", f"--net=/proc/{record.pid}/ns/net", "--", *(str(word) for word in argv)]

    def kubectl(self, *args: str, stdin: str | None = None, timeout_seconds: float = 60) -> str:
        """Standard output of kubectl as ``admin``; raises HarnessError if it fails."""
        kubectl = build.ensure(["kubectl"])["kubectl"]
        words = [str(kubectl), "--kubeconfig", str(self.kubeconfig), *args]
        return run(self.in_namespace(words), stdin=stdin, timeout_seconds=timeout_seconds)

    def environment(self) -> dict[str, str]:
        """Our environment with ``KUBECONFIG``, the S3 server, and kubectl and helm on ``PATH``."""
        programs = build.ensure(["kubectl", "helm"])
        path = os.pathsep.join([*(str(p.parent) for p in programs.values()), os.environ.get("PATH", "")])
        return {**os.environ, **addons.S3().environment(), "KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def run(self, argv: Sequence[str]) -> int:
        """Exit status of a command run in the node's network namespace with ``environment()``."""
        return subprocess.run(self.in_namespace(argv), env=self.environment(), check=False).returncode

    def status(self) -> str:
        """The node and its pods as text; why it ended, if it did."""
        if self.is_running:
            return self.kubectl("get", "nodes,pods,pvc", "--all-namespaces", "-o", "wide")
        log = self.paths.log / "supervisor.log"
        return f"no node runs in '{self.paths.state}'\n{log.read_text() if log.exists() else ''}"

    def _alone(self) -> AbstractContextManager[None]:
        """Lock that keeps two runs from starting or ending the same node at once."""
        self.paths.state.parent.mkdir(parents=True, exist_ok=True)
        return locked(self.paths.state.with_suffix(".lock"))

    def _remove(self) -> None:
        if not self.paths.state.exists():
            return
        with step("remove the node and what it left"):
            record = self._record()
            if record is not None:
                kill_tree(record)
            remove_cgroups(self.paths.cgroup)
            remove_folder(self.paths.state)
            isolation.remove_mount_points()

    def _check_machine(self) -> None:
        if os.geteuid() != 0:
            raise HarnessError("a node needs root for its namespaces and mounts; run this as root")
        inside = [folder for folder in UNSUITABLE if self.paths.state.is_relative_to(folder)]
        if inside:
            raise HarnessError(f"state folder '{self.paths.state}' lies in '{inside[0]}'; it must lie elsewhere")

    def _start(self) -> None:
        archives = exported_archives()
        self.paths.log.mkdir(parents=True)
        isolation.create_mount_points()
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
        supervisor = subprocess.Popen(
            isolation.supervisor_command(self.paths.state, archives),
            env=env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        try:
            ProcessRecord.of_started(supervisor.pid).save(self._record_file)
            with supervisor.stdout or contextlib.nullcontext(()) as lines:
                self._follow(lines)
        except BaseException:
            supervisor.kill()
            supervisor.wait()
            raise
        # It is to outlive us; without this Python would complain of a child that was not waited for.
        supervisor.returncode = 0
        self._remember_loaded(archives)

    def _follow(self, lines: Iterable[str]) -> None:
        """Print what the supervisor says until the node is ready."""
        said: list[str] = []
        for line in lines:
            if line.strip() == READY:
                return
            if line.startswith(FAILED):
                raise HarnessError(line.removeprefix(FAILED) + "".join(lines))
            said.append(line)
            print(line, end="", flush=True)
        raise HarnessError("the node's first process ended before the node was ready:\n" + "".join(said[-20:]))

    def _remember_loaded(self, archives: Iterable[Path]) -> None:
        # Only what was imported last, since an older image of the same name has lost the name to it.
        self._loaded_file.write_text("".join(f"{archive.name}\n" for archive in archives))

    def _record(self) -> ProcessRecord | None:
        return ProcessRecord.load(self._record_file)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.harness.cluster")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "down", "status", "load"):
        commands.add_parser(name)
    runner = commands.add_parser("run", help="run a command in the node's network namespace")
    runner.add_argument("argv", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    cluster = Cluster()
    try:
        if options.command == "run":
            sys.exit(cluster.run(options.argv[1:] if options.argv[:1] == ["--"] else options.argv))
        answer = getattr(cluster, options.command)()
    except HarnessError as error:
        sys.exit(f"{parser.prog}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{parser.prog}: interrupted; nothing is left running that was being started")
    if answer:
        print(answer)


if __name__ == "__main__":
    main()

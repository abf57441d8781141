"""First process of a node's process namespace: brings the node up, then watches over it.

Its output goes to whoever started it until the line ``READY``, and from then on to ``log/supervisor.log``. When one of
the node's programs ends, it says so there and ends itself, and with it the whole node: half a node helps nobody.
"""

import os
import sys
import time
from pathlib import Path

from tests.harness.errors import HarnessError
from tests.harness.node import Node
from tests.harness.node_files import NodePaths
from tests.harness.process import Process

READY = "READY"
"""Line that says the node is up."""

FAILED = "FAILED: "
"""Start of the text that says why it is not."""


def ready_file(paths: NodePaths) -> Path:
    """File that exists once the node is up: one that was given up half-way has none."""
    return paths.state / "ready"


def main() -> None:
    """Bring up a node, and stay until one of its programs ends.

    The first argument is its state folder, the others are image archives to import.
    """
    state, *archives = map(Path, sys.argv[1:])
    try:
        node = Node(state)
        node.start(archives)
    except HarnessError as error:
        print(f"{FAILED}{error}", flush=True)
        sys.exit(1)
    ready_file(node.paths).touch()
    print(READY, flush=True)
    log = os.open(state / "log" / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    ended = _watch(node.processes)
    print(f"{ended.name} ended; the node goes with it\n{ended.tail()}", flush=True)
    sys.exit(1)


def _watch(processes: list[Process]) -> Process:
    """The first of the programs to end; until then orphans are buried, as the first process must."""
    own = {process.pid for process in processes}
    while True:
        for process in processes:
            if not process.is_running:
                return process
        _bury_orphans(own)
        time.sleep(0.5)


def _bury_orphans(own: set[int]) -> None:
    # Looked at before it is taken: a status taken here would be lost to the one who started the program.
    while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and dead.si_pid not in own:
        os.waitpid(dead.si_pid, 0)


if __name__ == "__main__":
    main()

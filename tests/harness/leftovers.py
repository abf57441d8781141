"""What an aborted run left, and whether it is ours to remove.

A process is known again by more than its number, which the system gives out anew: by the boot and the time at which
it started. Mounts and control groups are known by the folder or name that only we use.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.harness.errors import HarnessError
from tests.harness.steps import run

CGROUPS = Path("/sys/fs/cgroup")
"""Where control groups are mounted: the tree itself (version 2), or a folder per controller (version 1)."""

GONE_SECONDS = 30.0
"""How long processes that were killed may take to disappear, in seconds: a container in the middle of a write to a
slow disk ends when the write does."""


@dataclass(frozen=True)
class ProcessRecord:
    """Identity of a process."""

    pid: int
    """Its number."""
    boot: str
    """Id of the boot that it ran in."""
    started: int
    """Its start, in clock ticks after the boot."""
    command: tuple[str, ...] = field(compare=False)
    """Its command line. It changes while a process lives: with the program, and to nothing as it ends."""

    @classmethod
    def read(cls, pid: int, proc: Path = Path("/proc")) -> Self | None:
        """Identity of the process that has this number now; None if there is none, or only a zombie."""
        try:
            stat = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
            words = (proc / str(pid) / "cmdline").read_text().split("\0")[:-1]
            boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # Fields 3 and 22 of proc(5), counted after the name in brackets, which may hold anything.
        return None if stat[0] == "Z" else cls(pid, boot, int(stat[19]), tuple(words))

    @classmethod
    def of_started(cls, pid: int) -> Self:
        """Identity of a program that was just started, once it has taken the place of the one that started it.

        Raises
        ------
        HarnessError
            If it ended before.
        """
        while (record := cls.read(pid)) is not None:
            if record.command:
                return record
            time.sleep(0.01)
        raise HarnessError(f"process {pid} ended as soon as it was started")

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Identity written by ``save``; None if the file is absent or torn."""
        try:
            data = json.loads(path.read_text())
            return cls(data["pid"], data["boot"], data["started"], tuple(data["command"]))
        except (FileNotFoundError, ValueError, KeyError):
            return None

    def save(self, path: Path) -> None:
        """Write the identity to a file."""
        path.write_text(json.dumps(dataclasses.asdict(self)))

    def is_alive(self, proc: Path = Path("/proc")) -> bool:
        """Whether this very process still runs, not another one that got its number."""
        return ProcessRecord.read(self.pid, proc) == self


def children(pid: int) -> list[int]:
    """Numbers of a process's children."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def kill_tree(record: ProcessRecord) -> None:
    """Kill a process and its children at once and wait until they are gone; nothing if it is not this process.

    Raises
    ------
    HarnessError
        If they are still there after 30 s.
    """
    if not record.is_alive():
        return
    doomed = [record, *filter(None, map(ProcessRecord.read, children(record.pid)))]
    for process in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + GONE_SECONDS
    while any(process.is_alive() for process in doomed):
        if time.monotonic() > deadline:
            raise HarnessError(f"process {record.pid} ({record.command[0]}) is still there after SIGKILL")
        time.sleep(0.05)


def mounts_below(folder: Path, mountinfo: str) -> list[Path]:
    """Mount points in or below a folder, the deepest first, so that they can be unmounted in this order.

    Parameters
    ----------
    folder
        Absolute path without links.
    mountinfo
        Text of ``/proc/self/mountinfo``.
    """
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in mountinfo.splitlines()]
    return sorted({p for p in points if p == folder or folder in p.parents}, key=lambda p: len(p.parts), reverse=True)


def unmount_below(folder: Path) -> None:
    """Unmount whatever is mounted in or below a folder."""
    for point in mounts_below(folder.resolve(), Path("/proc/self/mountinfo").read_text()):
        run(["umount", "--lazy", point])


def cgroups_named(name: str, root: Path = CGROUPS) -> list[Path]:
    """Control groups of this name at the top of each hierarchy, and all below them, the deepest first."""
    tops = [path for path in (root / name, *root.glob(f"*/{name}")) if path.is_dir()]
    # In a hybrid set-up one folder may be reachable under two names (cpu -> cpu,cpuacct).
    found = [path for top in dict.fromkeys(map(Path.resolve, tops)) for path in (top, *_folders(top))]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def _folders(top: Path) -> list[Path]:
    return [Path(base) / name for base, names, _ in os.walk(top) for name in names]


def remove_cgroups(name: str, root: Path = CGROUPS) -> None:
    """Kill what still runs in the control groups of this name, and remove them.

    Raises
    ------
    HarnessError
        If one is still in use after 30 s.
    """
    deadline = time.monotonic() + GONE_SECONDS
    while groups := cgroups_named(name, root):
        for group in groups:
            _empty(group)
            # Busy until the kernel has buried the last process in it.
            with contextlib.suppress(OSError):
                group.rmdir()
        if time.monotonic() > deadline:
            raise HarnessError(f"control group '{groups[0]}' is still in use; end the processes in its cgroup.procs")
        time.sleep(0.02)


def _empty(group: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        for word in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(word), signal.SIGKILL)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that it holds, mounts first."""
    if folder.exists():
        unmount_below(folder)
        shutil.rmtree(folder)

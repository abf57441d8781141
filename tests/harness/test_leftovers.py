"""What is recognised as left by an aborted run, on made-up and on real processes and folders."""

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from tests.harness.errors import HarnessError
from tests.harness.leftovers import ProcessRecord, cgroups_named, kill_tree, mounts_below

STAT = "42 (a) R) name) {state} 1 42 42 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 {started} 0 0"
MOUNTINFO = """\
22 28 0:21 / /proc rw - proc proc rw
30 28 0:30 / /cache/cluster/pods/a/volumes/token rw - tmpfs tmpfs rw
31 28 0:31 / /cache/cluster rw - tmpfs tmpfs rw
32 28 0:32 / /cache/cluster-two/x rw - tmpfs tmpfs rw
33 28 0:33 / /cache/cluster/with\\040space rw - tmpfs tmpfs rw
"""


def make_proc(root: Path, *, state: str = "S", started: int = 100, command: str = "kubelet\0--flag\0") -> Path:
    (root / "42").mkdir(parents=True, exist_ok=True)
    (root / "42" / "stat").write_text(STAT.format(state=state, started=started))
    (root / "42" / "cmdline").write_text(command)
    (root / "sys/kernel/random").mkdir(parents=True, exist_ok=True)
    (root / "sys/kernel/random/boot_id").write_text("boot-1\n")
    return root


@pytest.fixture
def record(tmp_path: Path) -> ProcessRecord:
    found = ProcessRecord.read(42, make_proc(tmp_path))
    assert found == ProcessRecord(42, "boot-1", 100, ("kubelet", "--flag"))
    return found


def test_the_same_process_is_known_again(tmp_path: Path, record: ProcessRecord) -> None:
    assert record.is_alive(make_proc(tmp_path))


@pytest.mark.parametrize("command", ["sshd\0", ""], ids=["other program", "about to end"])
def test_a_process_is_the_same_whatever_its_command(tmp_path: Path, record: ProcessRecord, command: str) -> None:
    assert record.is_alive(make_proc(tmp_path, command=command))


@pytest.mark.parametrize("change", [{"started": 101}, {"state": "Z"}], ids=["later start", "zombie"])
def test_another_process_with_the_number_is_not_taken_for_it(
    tmp_path: Path, record: ProcessRecord, change: dict[str, str]
) -> None:
    assert not record.is_alive(make_proc(tmp_path, **change))  # type: ignore[arg-type]


def test_a_process_of_an_earlier_boot_is_not_alive(tmp_path: Path, record: ProcessRecord) -> None:
    assert not dataclasses.replace(record, boot="boot-0").is_alive(make_proc(tmp_path))


def test_a_process_that_is_gone_is_not_alive(tmp_path: Path, record: ProcessRecord) -> None:
    assert not record.is_alive(tmp_path / "empty")


def test_a_record_survives_the_file_and_a_torn_file_counts_as_none(tmp_path: Path, record: ProcessRecord) -> None:
    record.save(tmp_path / "record")
    assert ProcessRecord.load(tmp_path / "record") == record
    (tmp_path / "record").write_text('{"pid": 4')
    assert ProcessRecord.load(tmp_path / "record") is None
    assert ProcessRecord.load(tmp_path / "absent") is None


def test_a_recorded_process_and_its_children_are_killed() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        kill_tree(ProcessRecord.of_started(process.pid))
        assert process.wait() == -9
    assert ProcessRecord.read(child) is None


def test_a_process_that_merely_got_the_number_is_left_alone() -> None:
    ours = ProcessRecord.of_started(os.getpid())
    kill_tree(dataclasses.replace(ours, started=ours.started - 1))
    assert ours.is_alive()


def test_a_program_that_ends_at_once_is_reported() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.raises(HarnessError, match="ended as soon as it was started"):
        ProcessRecord.of_started(process.pid)


def test_mounts_of_the_folder_come_deepest_first_and_a_neighbour_is_spared() -> None:
    assert mounts_below(Path("/cache/cluster"), MOUNTINFO) == [
        Path("/cache/cluster/pods/a/volumes/token"),
        Path("/cache/cluster/with space"),
        Path("/cache/cluster"),
    ]


@pytest.mark.parametrize("tops", [["memory", "pids"], ["."]], ids=["version 1", "version 2"])
def test_control_groups_are_found_deepest_first(tmp_path: Path, tops: list[str]) -> None:
    for top in tops:
        (tmp_path / top / "ours" / "kubepods" / "pod1").mkdir(parents=True)
        (tmp_path / top / "theirs").mkdir()
    found = cgroups_named("ours", tmp_path)
    assert len(found) == 3 * len(tops)
    assert all(not any(later.is_relative_to(path) for later in found[i + 1 :]) for i, path in enumerate(found))
    assert all("ours" in path.parts for path in found)

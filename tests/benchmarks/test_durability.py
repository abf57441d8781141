"""What the benchmark of durability counts."""

from __future__ import annotations

from pathlib import Path

from benchmarks.durability import Journal, kill_at_work
from tests.support.server import Server


class Writer(Server):
    """A server of which only the end is told."""

    is_killed = False

    def kill(self) -> None:
        self.is_killed = True


class Written(Journal):
    """A journal of which one more segment is worked off at each look, while others wait."""

    def __init__(self, waiting: int) -> None:
        super().__init__(Path())
        self._done = 0
        self._waiting = waiting

    def count(self, part: str) -> int:
        self._done += part == "done"
        return self._done if part == "done" else self._waiting


def test_segments_are_counted_by_where_they_lie(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.count("open") == 0
    (tmp_path / "journal" / "open").mkdir(parents=True)
    (tmp_path / "journal" / "open" / "segment").write_bytes(b"")
    assert (journal.count("open"), journal.count("done")) == (1, 0)


def test_a_writer_was_at_work_if_something_waits_when_it_is_killed(tmp_path: Path) -> None:
    for waiting, was_at_work in ((3, True), (0, False)):
        writer = Writer(tmp_path)
        assert kill_at_work(writer, Written(waiting)) is was_at_work
        assert writer.is_killed

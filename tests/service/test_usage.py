"""What a store is used for is counted by day, over all its pods, and told in whole days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.telemetry import Metrics
from simplemem_service.usage import FOLDER, Usage, Use, Week, rounded, sum_week
from simplemem_service.vitals import Vitals
from tests.support.server import Server, Starter, eventually, remember

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Pod:
    """A process that counts, at a time that the test sets."""

    def __init__(self, blobs: LocalBlobStore, name: str) -> None:
        self.now = NOON
        self.metrics = Metrics()
        self.usage = Usage(blobs, self.metrics, name, clock=lambda: self.now)

    async def serve(self, turns: int, queries: int) -> None:
        self.metrics.ingest_turns_total.inc(turns)
        for _ in range(queries):
            self.metrics.retrieve_seconds.observe(0.01)
        await self.usage.flush()

    async def sleep(self, time: timedelta) -> None:
        """Time goes by, with a look at the clock each hour."""
        end = self.now + time
        while self.now < end:
            self.now += timedelta(hours=1)
            await self.usage.flush()


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path)


async def test_whole_days_of_all_pods_are_summed(blobs: LocalBlobStore) -> None:
    one, two = Pod(blobs, "one"), Pod(blobs, "two")
    for pod in (one, two):
        await pod.serve(1000, 1000)
        await pod.sleep(DAY)
    assert one.usage.week == Week(), "the first day of a store may be short and is none"
    await one.serve(30, 4)
    await two.serve(12, 0)
    assert one.usage.week == Week(), "today is not over"
    for pod in (one, two):
        await pod.sleep(DAY)
    await one.sleep(timedelta(hours=1))
    assert one.usage.week == Week(1, Use(42, 4))
    assert one.usage.figures() == {"week_days": 1, "week_turns": 42, "week_queries": 4}


async def test_a_restart_loses_nothing_that_was_written(blobs: LocalBlobStore) -> None:
    first = Pod(blobs, "pod")
    await first.serve(0, 0)
    await first.sleep(DAY)
    await first.serve(7, 7)
    second = Pod(blobs, "pod")
    second.now = first.now
    await second.serve(5, 1)
    await second.sleep(DAY)
    assert second.usage.week == Week(1, Use(12, 8))


async def test_days_beyond_the_week_go_and_quiet_days_count(blobs: LocalBlobStore) -> None:
    pod = Pod(blobs, "pod")
    await pod.serve(0, 0)
    await pod.sleep(DAY)
    await pod.serve(70, 0)
    await pod.sleep(7 * DAY)
    assert pod.usage.week == Week(7, Use(70, 0))
    await pod.sleep(DAY)
    assert pod.usage.week == Week(7, Use(0, 0))
    await pod.sleep(5 * DAY)
    assert len(await blobs.list_names(FOLDER)) == 9, "a week, today, and the day by which it is known to be whole"


async def test_nothing_is_written_while_nothing_happens(blobs: LocalBlobStore) -> None:
    pod = Pod(blobs, "pod")
    await pod.serve(3, 0)
    before = await blobs.list_names(FOLDER)
    await pod.sleep(timedelta(hours=5))
    assert await blobs.list_names(FOLDER) == before


def test_the_week_ends_yesterday_and_begins_seven_days_ago() -> None:
    known = {f"2026-03-{day:02d}.pod.1.json": Use(day, 1) for day in range(1, 12)}
    assert sum_week({}, date(2026, 3, 10)) == Week()
    only = {name: use for name, use in known.items() if name < "2026-03-10"}
    assert sum_week(only, date(2026, 3, 10)) == Week(7, Use(sum(range(3, 10)), 7))
    assert sum_week({"2026-03-09.pod.1.json": Use(9, 9)}, date(2026, 3, 10)) == Week()


@pytest.mark.parametrize(("number", "told"), [(0, 0), (7, 7), (99, 99), (123, 120), (98_765, 99_000)])
def test_two_digits_are_told(number: int, told: int) -> None:
    assert rounded(number) == told


async def test_an_index_that_stays_behind_is_told_in_minutes() -> None:
    now = [0.0]
    vitals = Vitals(lambda: now[0])
    assert vitals.figures() == {"index_behind_seconds": 0}
    vitals.note_lag(5)
    now[0] = 59
    assert vitals.figures()["index_behind_seconds"] == 0
    vitals.note_lag(3)
    now[0] = 130
    assert vitals.figures()["index_behind_seconds"] == 120
    vitals.note_lag(0)
    assert vitals.figures()["index_behind_seconds"] == 0
    await vitals.note_spend(None)
    assert "spend_cents" not in vitals.figures()


def test_a_stop_writes_what_was_counted(make_server: Starter, tmp_path: Path) -> None:
    server: Server = make_server(tmp_path)
    server.start()
    server.wait_ready()
    with server.client() as client:
        remember(client, "ada", "I live in Rome.", "I play the piano.")
        client.post("/v1/search", json={"query": "Where?"}).raise_for_status()
        figures = eventually(lambda: server.readiness()["figures"], within=30, what="figures")
        assert (figures["week_days"], figures["index_behind_seconds"]) == (0, 0)
    assert server.stop() == 0
    (found,) = (server.data / FOLDER).iterdir()
    assert found.read_text() == '{"turns": 2, "queries": 1}'

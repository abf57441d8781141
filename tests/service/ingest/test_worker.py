"""The one writer: exactly once in effect, whatever fails; real tables, journal and compressor, a tiny embedder."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from simplemem_api.conditions import Reason
from simplemem_service import constants
from simplemem_service.errors import EmbeddingError, LeaseLostError, OverloadedError, StorageUnavailableError
from simplemem_service.health import Health
from simplemem_service.ingest.journal import DAMAGED, OPEN, Journal
from simplemem_service.ingest.wire import decode_result, encode_result
from simplemem_service.ingest.worker import Worker, describe_ingest
from simplemem_service.models.entry import EmbeddedEntry
from simplemem_service.models.operation import OperationState
from simplemem_service.models.query import EntryFilter
from simplemem_service.pipeline.compress import Compressor
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.lease import FileLease
from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.telemetry import Metrics
from tests.support.embedding import DIMENSION, TinyEmbedding
from tests.support.entries import make_operation


class FlakyStorage(LanceStorage):
    """Fails where a crash or a full disk would stop the writer."""

    def __init__(self, folder: Path, blobs: LocalBlobStore) -> None:
        super().__init__(str(folder / "tables"), {}, blobs, writes=True)
        self.fail_before_entries = 0
        self.fail_after_entries = 0
        self.commits = 0
        self.maintained = 0

    async def add_entries(self, entries: Sequence[EmbeddedEntry]) -> int:
        if self.fail_before_entries:
            self.fail_before_entries -= 1
            raise StorageUnavailableError("disk full")
        version = await super().add_entries(entries)
        self.commits += 1
        if self.fail_after_entries:
            self.fail_after_entries -= 1
            raise StorageUnavailableError("the answer was lost")
        return version

    async def maintain(self) -> None:
        self.maintained += 1
        await super().maintain()


class Bench:
    """A writer's surroundings on a folder; a second bench on it is the next process."""

    def __init__(self, folder: Path, *, threshold: float = 0.0, workers: int = 2, seconds: float = 0.0) -> None:
        blobs = LocalBlobStore(folder)
        self.journal = Journal(blobs)
        self.storage = FlakyStorage(folder, blobs)
        self.embedding = TinyEmbedding(seconds=seconds)
        self.metrics = Metrics()
        self.lease = FileLease(folder)
        compressor = Compressor(self.embedding, window_turns=10, overlap_turns=2, density_threshold=threshold)
        self.worker = Worker(
            self.journal,
            self.storage,
            compressor,
            self.lease,
            self.metrics,
            blobs=blobs,
            embedding=self.embedding,
            workers=workers,
        )

    async def close(self) -> None:
        await self.lease.release()
        await self.storage.close()

    async def texts(self) -> list[str]:
        entries = await self.storage.list_entries(EntryFilter(), after=-1, limit=1000)
        assert [entry.position for entry in entries] == sorted({entry.position for entry in entries})
        return [entry.text for entry in entries]

    async def state(self, operation_id: str) -> OperationState:
        return (await self.journal.read_operation(operation_id)).state


class Opener(Protocol):
    """Opens a bench on the test's folder; a second one stands for the next process."""

    async def __call__(self, *, threshold: float = 0.0, workers: int = 2, seconds: float = 0.0) -> Bench: ...


@pytest.fixture
async def open_bench(tmp_path: Path) -> AsyncIterator[Opener]:
    benches: list[Bench] = []

    async def open_one(*, threshold: float = 0.0, workers: int = 2, seconds: float = 0.0) -> Bench:
        bench = Bench(tmp_path, threshold=threshold, workers=workers, seconds=seconds)
        benches.append(bench)
        await bench.storage.open(StoreIdentity("tiny", DIMENSION))
        return bench

    yield open_one
    for bench in benches:
        await bench.close()


@pytest.fixture
async def bench(open_bench: Opener) -> Bench:
    return await open_bench()


async def test_accepted_turns_become_entries_in_their_order(bench: Bench) -> None:
    first = await bench.journal.append(make_operation(["one", "two"]))
    second = await bench.journal.append(make_operation(["three"]))
    assert await bench.worker.run_once()
    assert await bench.texts() == ["one", "two", "three"]
    assert [await bench.state(one) for one in (first, second)] == [OperationState.SUCCEEDED] * 2
    result = (await bench.journal.read_operation(first)).result
    assert result is not None
    assert (result.turns, result.entries, result.dropped) == (2, 2, 0)
    assert not await bench.worker.run_once()
    assert bench.worker.pending_turns == 0


async def test_many_small_operations_share_one_commit(bench: Bench) -> None:
    for n in range(30):
        await bench.journal.append(make_operation([f"text {n}"], session=f"s{n % 3}"))
    await bench.worker.run_once()
    assert bench.storage.commits == 1
    assert len(await bench.texts()) == 30


async def test_a_turn_sent_twice_is_remembered_once(bench: Bench) -> None:
    operation = make_operation(["one"], idempotency="same")
    await asyncio.gather(*(bench.journal.append(operation) for _ in range(3)))
    await bench.worker.run_once()
    later = await bench.journal.append(operation)
    await bench.worker.run_once()
    assert await bench.texts() == ["one"]
    assert await bench.state(later) is OperationState.SUCCEEDED


@pytest.mark.parametrize("moment", ["fail_before_entries", "fail_after_entries"])
async def test_a_crash_around_the_commit_loses_and_doubles_nothing(
    bench: Bench, open_bench: Opener, moment: str
) -> None:
    operation_id = await bench.journal.append(make_operation(["one", "two", "three"]))
    setattr(bench.storage, moment, 1)
    with pytest.raises(StorageUnavailableError):
        await bench.worker.run_once()
    await bench.close()
    follower = await open_bench()
    await follower.journal.append(make_operation(["four"]))
    await follower.worker.run_once()
    assert await follower.texts() == ["one", "two", "three", "four"]
    assert await follower.state(operation_id) is OperationState.SUCCEEDED


async def test_a_crash_between_commit_and_done_changes_nothing(
    bench: Bench, open_bench: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation_id = await bench.journal.append(make_operation(["one", "two"]))

    async def crash(*_: object) -> None:
        raise StorageUnavailableError("killed")

    monkeypatch.setattr(bench.journal, "finish", crash)
    with pytest.raises(StorageUnavailableError):
        await bench.worker.run_once()
    await bench.close()
    follower = await open_bench()
    await follower.worker.run_once()
    assert await follower.texts() == ["one", "two"]
    assert (await follower.storage.counts()).turns == 2
    assert await follower.state(operation_id) is OperationState.SUCCEEDED


async def test_turns_below_the_threshold_are_counted_and_kept(open_bench: Opener) -> None:
    bench = await open_bench(threshold=0.99)
    await bench.journal.append(make_operation(["one two"]))
    operation_id = await bench.journal.append(make_operation(["one two"] * 3))
    await bench.worker.run_once()
    result = (await bench.journal.read_operation(operation_id)).result
    assert result is not None
    assert result.dropped + result.entries == 3
    assert result.dropped > 0
    (window,) = result.dropped_windows
    assert len(window.turn_ids) == result.dropped <= window.density.turns
    assert window.density.score == pytest.approx(0.5 * window.density.novelty + 0.5 * window.density.divergence)
    assert decode_result(json.loads(json.dumps(encode_result(result)))) == result
    assert (await bench.storage.counts()).turns == 4
    metrics = bench.metrics.render().decode()
    total = (await bench.storage.counts()).turns - (await bench.storage.counts()).entries
    assert f"simplemem_dropped_low_density_total {float(total)}" in metrics


async def test_sessions_are_compressed_at_the_same_time_up_to_the_workers(open_bench: Opener) -> None:
    bench = await open_bench(workers=2, seconds=0.02)
    for n in range(6):
        await bench.journal.append(make_operation([f"text {n}"], session=f"s{n}"))
    await bench.worker.run_once()
    assert bench.embedding.most_at_once == 2
    assert len(await bench.texts()) == 6


async def test_a_conversation_goes_on_where_it_stopped(bench: Bench, open_bench: Opener) -> None:
    await bench.journal.append(make_operation(["one"]))
    await bench.worker.run_once()
    calls = bench.embedding.calls
    await bench.journal.append(make_operation(["two"]))
    await bench.worker.run_once()
    # Its sentences and its utterance, each at once.
    assert bench.embedding.calls == calls + 2
    await bench.close()
    follower = await open_bench()
    await follower.journal.append(make_operation(["three"]))
    await follower.worker.run_once()
    assert await follower.texts() == ["one", "two", "three"]


async def test_what_can_never_work_ends_failed_and_does_not_hold_up_the_rest(bench: Bench) -> None:
    broken = await bench.journal.append(make_operation(["one"]))
    fine = await bench.journal.append(make_operation(["two"]))
    other = await bench.journal.append(make_operation(["three"], session="tuesday"))
    # Once for both operations of the session together, once for the first alone.
    bench.embedding.failures = [EmbeddingError("unreadable"), EmbeddingError("unreadable")]
    bench.worker._rememberer._slots = asyncio.Semaphore(1)
    await bench.worker.run_once()
    assert [await bench.state(one) for one in (broken, fine, other)] == [
        OperationState.FAILED,
        OperationState.SUCCEEDED,
        OperationState.SUCCEEDED,
    ]
    status = await bench.journal.read_operation(broken)
    assert status.result is not None
    assert status.result.error == "unreadable"
    assert sorted(await bench.texts()) == ["three", "two"]
    await bench.journal.append(make_operation(["one, better"]))
    await bench.worker.run_once()
    assert len(await bench.texts()) == 3


async def test_an_unforeseen_error_is_tried_again_before_it_is_final(bench: Bench) -> None:
    operation_id = await bench.journal.append(make_operation(["one"]))
    bench.embedding.failures = [ZeroDivisionError("a bug") for _ in range(constants.MAX_ATTEMPTS)]
    for _ in range(constants.MAX_ATTEMPTS - 1):
        with pytest.raises(ZeroDivisionError):
            await bench.worker.run_once()
        assert await bench.state(operation_id) is OperationState.PENDING
    await bench.worker.run_once()
    assert await bench.state(operation_id) is OperationState.FAILED


async def test_what_may_work_later_is_never_given_up(bench: Bench) -> None:
    operation_id = await bench.journal.append(make_operation(["one"]))
    bench.embedding.failures = [OverloadedError("busy") for _ in range(2 * constants.MAX_ATTEMPTS)]
    for _ in range(2 * constants.MAX_ATTEMPTS):
        with pytest.raises(OverloadedError):
            await bench.worker.run_once()
    await bench.worker.run_once()
    assert await bench.state(operation_id) is OperationState.SUCCEEDED


async def test_a_damaged_segment_is_set_aside_and_the_next_is_worked_off(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.journal.append(make_operation(["lost"]))
    (name,) = await bench.journal.list_open()
    (tmp_path / OPEN / name).write_bytes(b'{"format": 1, "oper')
    fine = await bench.journal.append(make_operation(["one"]))
    with caplog.at_level(logging.ERROR):
        await bench.worker.run_once()
    assert await bench.state(fine) is OperationState.SUCCEEDED
    assert await bench.texts() == ["one"]
    assert [path.name for path in (tmp_path / DAMAGED).iterdir()] == [name]
    assert [record.message for record in caplog.records] == ["journal segment set aside"]
    assert "simplemem_damaged_segments_total 1.0" in bench.metrics.render().decode()
    assert "'journal/damaged'" in describe_ingest(bench.worker._damaged)
    assert "1 in 1 damaged segments" in describe_ingest(bench.worker._damaged)


async def test_a_second_writer_waits_for_the_first(bench: Bench, open_bench: Opener) -> None:
    await bench.worker.run_once()
    second = await open_bench()
    await bench.journal.append(make_operation(["one"]))
    with pytest.raises(LeaseLostError, match="another process writes"):
        await second.worker.run_once()
    assert await bench.worker.run_once()


async def test_the_backlog_is_told_in_turns_and_age(bench: Bench) -> None:
    for n in range(3):
        await bench.journal.append(make_operation([f"text {n}", "more"]))
    names = await bench.journal.list_open()
    bench.worker._note_pending(names)
    assert bench.worker.pending_turns == 6
    first = int(names[0].split("-")[0])
    assert bench.worker.oldest_pending_seconds(first + 2_000_000_000) == 2.0
    assert bench.worker.oldest_pending_seconds(first - 5) == 0.0
    await bench.worker.run_once()
    assert (bench.worker.pending_turns, bench.worker.oldest_pending_seconds(first)) == (0, 0.0)


async def test_the_loop_goes_on_after_failures_and_says_why_it_waits(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "JOURNAL_POLL", constants.RETRY_FIRST / 100)
    seen: list[Reason] = []

    class Watching(Health):
        def fail(self, name: str, reason: Reason, message: str) -> bool:
            seen.append(reason)
            return super().fail(name, reason, message)

    health = Watching(("ingest",))
    committed = asyncio.Event()
    bench.worker.on_commit = committed.set
    bench.storage.fail_before_entries = 2
    loop = asyncio.create_task(bench.worker.run(health))
    operation_id = await bench.journal.append(make_operation(["one"]))
    await asyncio.wait_for(committed.wait(), 10)
    await bench.worker.stop()
    await loop
    assert seen == [Reason.INGEST_FAILING] * 2
    assert health.checks["ingest"].ok
    assert await bench.state(operation_id) is OperationState.SUCCEEDED
    next_writer = FileLease(tmp_path)
    assert await next_writer.try_acquire()
    await next_writer.release()


async def test_tables_are_kept_compact_while_writing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "MAINTENANCE_COMMITS", 5)
    for n in range(12):
        await bench.journal.append(make_operation([f"text {n}"]))
        await bench.worker.run_once()
        await bench.worker._upkeep.work()
    assert bench.storage.maintained == 2
    assert len(await bench.texts()) == 12


async def test_the_last_versions_are_dropped_once_they_are_old(bench: Bench) -> None:
    await bench.journal.append(make_operation(["one"]))
    await bench.worker.run_once()
    await bench.worker._upkeep.work()
    assert bench.storage.maintained == 0
    bench.worker._upkeep._last_commit -= 2 * constants.MAINTENANCE_RETENTION.total_seconds()
    for _ in range(3):
        await bench.worker._upkeep.work()
    assert bench.storage.maintained == 1


async def test_a_segment_is_done_only_when_its_turns_survive_a_power_cut(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse() -> None:
        raise StorageUnavailableError("the volume is gone")

    operation_id = await bench.journal.append(make_operation(["one"]))
    monkeypatch.setattr(bench.journal, "sync", refuse)
    with pytest.raises(StorageUnavailableError):
        await bench.worker.run_once()
    assert await bench.state(operation_id) is OperationState.PENDING
    monkeypatch.undo()
    await bench.worker.run_once()
    assert await bench.state(operation_id) is OperationState.SUCCEEDED
    assert await bench.texts() == ["one"]

"""The one writer: works the journal off, in order, and makes accepted turns searchable.

A pass takes the oldest waiting segments, compresses their sessions in parallel and writes one commit of entries, then
one of turns, then marks the segments done. The order makes a replay harmless after a crash at any point: entries carry
ids derived from their turns, so writing them again changes nothing, and turns that are kept are not compressed again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from simplemem_api.conditions import Reason
from simplemem_service import constants
from simplemem_service.errors import DamagedSegmentError, LeaseLostError, PermanentError, ServiceError, TransientError
from simplemem_service.health import Health, describe
from simplemem_service.ingest import batch as batches
from simplemem_service.ingest.batch import PlannedOperation, SessionPlan
from simplemem_service.ingest.journal import Journal, OpenSegment
from simplemem_service.ingest.segment import parse_segment_name
from simplemem_service.models.entry import EmbeddedEntry, Entry, Turn
from simplemem_service.models.operation import OperationResult, OperationState
from simplemem_service.pipeline.compress import Compressor
from simplemem_service.retry import back_off
from simplemem_service.storage.base import Storage
from simplemem_service.storage.lease import Lease
from simplemem_service.telemetry import Metrics

logger = logging.getLogger(__name__)

PRECEDING_ENTRIES = 40
"""Latest entries of a session that its next turns are compressed after: a default window of history."""
SESSIONS_CACHED = 100
"""Sessions whose latest entries are kept in memory, so that a running conversation needs no query."""


@dataclass(slots=True)
class Compressed:
    """What became of the sessions of a batch."""

    entries: list[EmbeddedEntry] = field(default_factory=list)
    """Entries to write."""
    turns: list[Turn] = field(default_factory=list)
    """Turns to keep."""
    results: dict[str, OperationResult] = field(default_factory=dict)
    """How each operation ended, by its id."""

    def extend(self, other: Compressed) -> None:
        """Add another part of the batch."""
        self.entries += other.entries
        self.turns += other.turns
        self.results |= other.results


class Worker:
    """Works off the journal.

    Parameters
    ----------
    journal, storage, compressor, lease, metrics
        What it works with.
    workers
        Sessions compressed at the same time.
    clock
        The time that entries are stamped with, aware.
    """

    def __init__(
        self,
        journal: Journal,
        storage: Storage,
        compressor: Compressor,
        lease: Lease,
        metrics: Metrics,
        *,
        workers: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._journal = journal
        self._storage = storage
        self._compressor = compressor
        self._lease = lease
        self._metrics = metrics
        self._clock = clock
        self._slots = asyncio.Semaphore(workers)
        self._tails: OrderedDict[tuple[str, str], list[Entry]] = OrderedDict()
        self._next_position: int | None = None
        self._next_turn_position = 0
        self._attempts: dict[str, int] = {}
        self._commits = 0
        self._last_commit = 0.0
        self._has_old_versions = False
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._oldest_ns: int | None = None
        self.pending_turns = 0
        """Turns in the journal that are not written yet."""
        self.on_commit: Callable[[], None] = lambda: None
        """Called after each commit, to wake whoever follows the table."""

    def oldest_pending_seconds(self, now_ns: int) -> float:
        """Age of the oldest waiting turn; 0 while none waits."""
        return 0.0 if self._oldest_ns is None else max(0.0, (now_ns - self._oldest_ns) / 1e9)

    async def run(self, health: Health) -> None:
        """Work until stopped; no failure ends it."""
        failures = 0
        try:
            while not self._stopping.is_set():
                self._journal.appended.clear()
                try:
                    has_worked = await self.run_once()
                    await self._maintain()
                except Exception as error:  # noqa: BLE001 - whatever fails is told and tried again
                    self._forget()
                    self._tell(health, error)
                    failures = 0 if isinstance(error, LeaseLostError) else failures + 1
                    await self._pause(back_off(failures) if failures else constants.LEASE_POLL.total_seconds())
                    continue
                failures = 0
                health.succeed("ingest", Reason.INGESTING, "accepted turns become searchable")
                if not has_worked:
                    await self._wait_for_work()
        finally:
            with contextlib.suppress(ServiceError):
                await self._lease.release()
            self._idle.set()

    async def stop(self) -> None:
        """Finish the batch in progress and let the next writer begin."""
        self._stopping.set()
        self._journal.appended.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), constants.DRAIN_TIMEOUT.total_seconds())

    async def run_once(self) -> bool:
        """Work off one batch; False if nothing waits. Raises `LeaseLostError` while another process writes."""
        if not await self._lease.try_acquire():
            raise LeaseLostError("another process writes this store; waiting for it to end")
        names = await self._journal.list_open()
        self._note_pending(names)
        segments = await self._read(names)
        if not segments:
            return bool(names)
        self._journal.running = frozenset(segment.name for segment in segments)
        try:
            await self._work_off(segments)
        finally:
            self._journal.running = frozenset()
        done = {segment.name for segment in segments}
        self._note_pending([name for name in names if name not in done])
        return True

    async def _read(self, names: Sequence[str]) -> list[OpenSegment]:
        """The oldest waiting segments, as many as one batch takes; damaged ones are set aside."""
        chosen: list[str] = []
        turns = 0
        for name in names[: constants.BATCH_MAX_SEGMENTS]:
            size = parse_segment_name(name).turns
            if chosen and turns + size > constants.BATCH_MAX_TURNS:
                break
            chosen.append(name)
            turns += size
        read = await asyncio.gather(*(self._read_one(name) for name in chosen))
        return [segment for segment in read if segment is not None]

    async def _read_one(self, name: str) -> OpenSegment | None:
        try:
            return await self._journal.read_open(name)
        except DamagedSegmentError as error:
            logger.error("journal segment set aside", extra={"segment": name, "error": str(error)})  # noqa: TRY400
            self._metrics.damaged_segments_total.inc()
            await self._journal.set_aside(name)
            return None

    async def _work_off(self, segments: Sequence[OpenSegment]) -> None:
        identified = batches.identify([operation for segment in segments for operation in segment.operations])
        known = await self._storage.known_turns([turn.key for _, turns in identified for turn in turns])
        plans = batches.plan_sessions(identified, known)
        compressed = Compressed()
        for part in await asyncio.gather(*(self._compress_in_turn(plan) for plan in plans)):
            compressed.extend(part)
        version = await self._commit(compressed)
        await asyncio.gather(*(self._finish(segment, compressed.results, version) for segment in segments))

    async def _compress_in_turn(self, plan: SessionPlan) -> Compressed:
        async with self._slots:
            return await self._compress(plan)

    async def _compress(self, plan: SessionPlan) -> Compressed:
        turns = plan.turns
        if not turns:
            return Compressed(results={item.operation_id: _succeeded(item) for item in plan.operations})
        preceding = await self._tail(plan, turns)
        try:
            made = await self._compressor.compress(turns, preceding, self._next_position or 0)
        except TransientError:
            raise
        except Exception as error:  # noqa: BLE001 - an operation that breaks the compressor must not stop the others
            return await self._isolate(plan, error)
        counts = batches.count_entries(plan, made.entries)
        dropped = {turn.key for window in made.dropped for turn in window.turns}
        for window in made.dropped:
            fields = {"turns": [turn.key for turn in window.turns], "score": round(window.density.score, 4)}
            logger.info("window dropped by the density filter", extra=fields)
        results = {
            item.operation_id: _succeeded(item, counts[item.operation_id], _count_keys(item, dropped))
            for item in plan.operations
        }
        return Compressed(list(made.entries), turns, results)

    async def _isolate(self, plan: SessionPlan, error: Exception) -> Compressed:
        """Deal with turns that cannot be compressed: find the operation to blame, and end it once that is certain."""
        if len(plan.operations) > 1:
            parts = Compressed()
            for operation in plan.operations:
                parts.extend(await self._compress(SessionPlan(plan.user_id, plan.session_id, [operation])))
            return parts
        operation = plan.operations[0]
        attempts = self._attempts[operation.operation_id] = self._attempts.get(operation.operation_id, 0) + 1
        if not isinstance(error, PermanentError) and attempts < constants.MAX_ATTEMPTS:
            raise error
        del self._attempts[operation.operation_id]
        fields = {"operation": operation.operation_id, "attempts": attempts, "error": describe(error)}
        logger.error("operation failed; its turns stay in the journal", exc_info=error, extra=fields)
        self._metrics.failed_operations_total.inc()
        failed = OperationResult(OperationState.FAILED, turns=operation.given, error=describe(error))
        return Compressed(results={operation.operation_id: failed})

    async def _commit(self, compressed: Compressed) -> int:
        self._lease.check()
        if self._next_position is None:
            self._next_position = await self._storage.next_position()
            self._next_turn_position = await self._storage.next_turn_position()
        entries = batches.number_entries(compressed.entries, self._next_position, self._clock())
        version = await self._storage.add_entries(entries)
        self._next_position += len(entries)
        turns = batches.number_turns(compressed.turns, self._next_turn_position)
        await self._storage.add_turns(turns)
        self._next_turn_position += len(turns)
        if entries or compressed.turns:
            self._commits += 1
            self._last_commit = asyncio.get_running_loop().time()
            self._has_old_versions = True
        self._remember(entries)
        self._metrics.ingest_turns_total.inc(len(compressed.turns))
        self._metrics.dropped_low_density_total.inc(sum(result.dropped for result in compressed.results.values()))
        self.on_commit()
        return version

    async def _finish(self, segment: OpenSegment, results: dict[str, OperationResult], version: int) -> None:
        ended = [results[operation.operation_id] for operation in segment.operations]
        await self._journal.finish(segment, [_at_version(result, version) for result in ended])

    async def _tail(self, plan: SessionPlan, turns: Sequence[Turn]) -> list[Entry]:
        """The latest entries of the session, without those that an earlier try already made of the same turns."""
        place = (plan.user_id, plan.session_id)
        if place not in self._tails:
            self._tails[place] = await self._storage.last_entries(*place, PRECEDING_ENTRIES)
        self._tails.move_to_end(place)
        ids = {turn.id for turn in turns}
        return [entry for entry in self._tails[place] if ids.isdisjoint(entry.sources)]

    def _remember(self, entries: Sequence[EmbeddedEntry]) -> None:
        for item in entries:
            tail = self._tails.get((item.entry.user_id, item.entry.session_id))
            if tail is not None:
                tail.append(item.entry)
                del tail[:-PRECEDING_ENTRIES]
        while len(self._tails) > SESSIONS_CACHED:
            self._tails.popitem(last=False)

    def _forget(self) -> None:
        """Read everything anew after a failure: another process may have written meanwhile."""
        self._tails.clear()
        self._next_position = None

    async def _maintain(self) -> None:
        """Tidy the tables every so many commits, and once more when the versions left by the last ones are old."""
        now = asyncio.get_running_loop().time()
        is_old = now - self._last_commit > 1.1 * constants.MAINTENANCE_RETENTION.total_seconds()
        if self._commits >= constants.MAINTENANCE_COMMITS or (self._has_old_versions and is_old):
            self._has_old_versions = not is_old
            self._commits = 0
            await self._storage.maintain()

    def _note_pending(self, names: Sequence[str]) -> None:
        parsed = [parse_segment_name(name) for name in names]
        self.pending_turns = sum(name.turns for name in parsed)
        self._oldest_ns = min((name.time_ns for name in parsed), default=None)

    @staticmethod
    def _tell(health: Health, error: Exception) -> None:
        reason = Reason.RECONCILING if isinstance(error, LeaseLostError) else Reason.INGEST_FAILING
        if health.fail("ingest", reason, describe(error)):
            trace = None if isinstance(error, ServiceError) else error
            logger.warning("ingest waits", exc_info=trace, extra={"reason": reason, "error": describe(error)})

    async def _wait_for_work(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._journal.appended.wait(), constants.JOURNAL_POLL.total_seconds())

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _succeeded(operation: PlannedOperation, entries: int = 0, dropped: int = 0) -> OperationResult:
    return OperationResult(OperationState.SUCCEEDED, turns=operation.given, entries=entries, dropped=dropped)


def _count_keys(operation: PlannedOperation, keys: set[str]) -> int:
    return sum(turn.key in keys for turn in operation.turns)


def _at_version(result: OperationResult, version: int) -> OperationResult:
    return replace(result, version=version)

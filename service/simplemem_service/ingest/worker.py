"""The one writer: works the journal off, in order, and makes accepted changes searchable.

A pass takes the oldest waiting segments. Those that hold turns only are compressed and committed together; a segment
with other kinds of operations is applied alone and marked done before the next is begun, so that after a crash nothing
is replayed over a change that came later. Between passes the writer does the upkeep.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from opentelemetry import trace

from simplemem_api.conditions import Reason
from simplemem_service import constants
from simplemem_service.embedding.base import Embedding
from simplemem_service.errors import DamagedSegmentError, LeaseLostError, ServiceError
from simplemem_service.health import Health, describe
from simplemem_service.ingest.apply import Applier
from simplemem_service.ingest.attempts import Attempts
from simplemem_service.ingest.canary_rows import CanaryRows
from simplemem_service.ingest.given import GivenEntries
from simplemem_service.ingest.journal import DAMAGED, Journal, OpenSegment
from simplemem_service.ingest.journal_upkeep import JournalUpkeep
from simplemem_service.ingest.merger import Merger
from simplemem_service.ingest.pace import Pace
from simplemem_service.ingest.positions import Positions
from simplemem_service.ingest.receipts import Receipts
from simplemem_service.ingest.recompress import Recompressor
from simplemem_service.ingest.reembed import Reembedder
from simplemem_service.ingest.remember import Rememberer
from simplemem_service.ingest.removals import EraseHook, Removals, Sweep
from simplemem_service.ingest.segment import parse_segment_name
from simplemem_service.ingest.synthesizer import Synthesizer
from simplemem_service.ingest.undo import Undo
from simplemem_service.ingest.upkeep import Upkeep
from simplemem_service.llm.base import LanguageModel
from simplemem_service.models.entry import CANARY_USER
from simplemem_service.models.operation import OperationKind
from simplemem_service.pipeline.compress import CompressionStage
from simplemem_service.retry import back_off
from simplemem_service.storage.base import Storage
from simplemem_service.storage.bells import AlwaysRinging, Bell
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.lease import Lease
from simplemem_service.telemetry import Metrics
from simplemem_service.waiting import wait_at_most

logger = logging.getLogger(__name__)
tracer = trace.get_tracer(__name__)


class Chore(Protocol):
    """What else the writer does between two batches, whether or not it can ingest."""

    on_ready: Callable[[], None]
    """Called when there is something to do."""

    async def step(self, health: Health) -> None:
        """Do what is due; called also before this process may write."""

    async def pause(self) -> None:
        """Stop: the writer ends."""

    def figures(self) -> Mapping[str, int]:
        """What the operator is told at /readyz."""


class Worker:
    """Works off the journal.

    Parameters
    ----------
    journal, storage, compressor, lease, metrics
        What it works with.
    blobs
        Where the journal and the receipts lie.
    embedding
        Encodes entries that callers give.
    model
        Merges related entries; None: they are not merged.
    workers
        Sessions compressed at the same time.
    clock
        The time that entries are stamped with, aware.
    bell
        Rings where turns were accepted elsewhere; None: looking for them costs nothing.
    reembedder
        Goes over to other vectors; None where the store has no way to.
    """

    def __init__(
        self,
        journal: Journal,
        storage: Storage,
        compressor: CompressionStage,
        lease: Lease,
        metrics: Metrics,
        *,
        blobs: BlobStore,
        embedding: Embedding,
        model: LanguageModel | None = None,
        workers: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        bell: Bell | None = None,
        reembedder: Reembedder | None = None,
    ) -> None:
        self._bell = bell or AlwaysRinging()
        self._is_awake = True
        self._journal = journal
        self._storage = storage
        self._lease = lease
        self._term = 0
        self._damaged: list[str] = []
        self._metrics = metrics
        self._positions = Positions(storage)
        attempts, receipts, upkeep = Attempts(metrics), Receipts(blobs), JournalUpkeep(blobs)
        self._rememberer = Rememberer(
            storage,
            compressor,
            self._positions,
            attempts,
            metrics,
            check=lease.check,
            workers=workers,
            clock=clock,
        )
        self._removals = Removals(storage, upkeep, receipts, clock)
        self._merger = None if model is None else Merger(storage, embedding, model, self._positions, clock)
        if self._merger is not None:
            self._merger.on_ready = journal.appended.set
        self.pace = Pace(journal.appended.is_set)
        """How the work that nobody waits for gives way."""
        self._synthesizer = Synthesizer(storage, blobs, clock, self._merger, self.pace)
        self._recompressor = Recompressor(storage, compressor, self._positions, clock)
        self._applier = self._create_applier(embedding, attempts, clock, reembedder)
        self._reembedder = reembedder
        if reembedder is not None:
            reembedder.on_ready = journal.appended.set
        self._upkeep = Upkeep(storage, upkeep, receipts, self._removals)
        self._chores: list[Chore] = []
        self._busy_passes = 0
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._oldest_ns: int | None = None
        self.pending_turns = 0
        """Turns in the journal that are not written yet."""
        self.on_commit: Callable[[], None] = lambda: None
        """Called after each commit, to wake whoever follows the table."""
        self.on_end: Callable[[], None] = lambda: None
        """Called at the end: the store may have gone over to other vectors, which need another worker."""

    def _create_applier(
        self, embedding: Embedding, attempts: Attempts, clock: Callable[[], datetime], reembedder: Reembedder | None
    ) -> Applier:
        given = GivenEntries(self._storage, embedding, self._positions, clock)
        return Applier(
            self._rememberer,
            given,
            self._removals,
            Undo(self._storage, given, clock),
            self._synthesizer,
            recompressor=self._recompressor,
            canaries=CanaryRows(self._storage, clock),
            attempts=attempts,
            reembedder=reembedder,
        )

    @property
    def erase_hooks(self) -> list[EraseHook]:
        """Called with the id of a user whose every word is to go: for caches that hold text."""
        return self._removals.hooks

    def add_chore(self, chore: Chore) -> None:
        """Do something else between two batches; before `run`."""
        chore.on_ready = self._journal.appended.set
        self._chores.append(chore)

    def figures(self) -> dict[str, int]:
        """What the chores tell the operator."""
        return {name: value for chore in self._chores for name, value in chore.figures().items()}

    @property
    def sweeps(self) -> list[Sweep]:
        """Called where words are removed, whoever said them: for caches that do not know whose they hold."""
        return self._removals.sweeps

    def oldest_pending_seconds(self, now_ns: int) -> float:
        """Age of the oldest waiting turn; 0 while none waits."""
        return 0.0 if self._oldest_ns is None else max(0.0, (now_ns - self._oldest_ns) / 1e9)

    async def run(self, health: Health) -> None:
        """Work until stopped; no failure ends it."""
        failures = 0
        try:
            while not self._stopping.is_set():
                self._is_awake |= self._journal.appended.is_set()
                self._journal.appended.clear()
                try:
                    for chore in self._chores:
                        await chore.step(health)
                    has_worked = await self.run_once()
                    await self._improve(has_worked=has_worked)
                    await self._upkeep.work()
                    if self._reembedder is not None and await self._reembedder.step():
                        break
                except Exception as error:  # noqa: BLE001 - whatever fails is told and tried again
                    await self._forget()
                    self._tell(health, error)
                    failures = 0 if isinstance(error, LeaseLostError) else failures + 1
                    await self._pause(back_off(failures) if failures else constants.LEASE_POLL.total_seconds())
                    continue
                failures = 0
                health.succeed("ingest", Reason.INGESTING, describe_ingest(self._damaged))
                if not has_worked:
                    await self._wait_for_work()
        finally:
            for chore in self._chores:
                await chore.pause()
            if self._merger is not None:
                await self._merger.stop()
            if self._reembedder is not None:
                await self._reembedder.pause()
            with contextlib.suppress(ServiceError):
                await self._lease.release()
            self._idle.set()
            self.on_end()

    async def stop(self) -> None:
        """Finish the batch in progress and let the next writer begin."""
        self._stopping.set()
        self.pace.is_ending = True
        self._journal.appended.set()
        await wait_at_most(self._idle, constants.DRAIN_TIMEOUT.total_seconds())

    async def run_once(self) -> bool:
        """Work off one batch; False if nothing waits. Raises `LeaseLostError` while another process writes."""
        await self._take_over()
        if not (self._is_awake or self._journal.appended.is_set() or await self._bell.has_rung()):
            return False
        names = await self._journal.list_open()
        self._is_awake = bool(names)
        self._note_pending(names)
        segments = await self._read(names)
        if not segments:
            return bool(names)
        self._journal.running = frozenset(segment.name for segment in segments)
        try:
            for group in groups_of_turns(segments):
                await self._work_off(group)
        finally:
            self._journal.running = frozenset()
        done = {segment.name for segment in segments}
        self._note_pending([name for name in names if name not in done])
        return True

    async def _take_over(self) -> None:
        """Hold the lease; what a holder before has on its way fails from now on, and what it committed is read."""
        if not await self._lease.try_acquire():
            raise LeaseLostError("another process writes this store; waiting for it to end")
        if self._term != self._lease.term:
            await self._storage.fence()
            await self._forget()
            self._damaged = await self._journal.list_damaged()
            self._term = self._lease.term

    async def _improve(self, *, has_worked: bool) -> None:
        """Where nothing waits, and now and then where turns never cease to come: bring back turns that a lower
        threshold keeps, and take a step of stage 2.
        """
        self._busy_passes = self._busy_passes + 1 if has_worked else 0
        if self._busy_passes % constants.SYNTHESIS_PASSES:
            return
        has_restored = await self._recompressor.step()
        if has_restored:
            self._rememberer.forget()
            self._synthesizer.wake()
        has_merged = self._merger is not None and await self._merger.write_ready()
        if await self._synthesizer.step() or has_restored or has_merged:
            self._upkeep.note_commit()
            self.on_commit()

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
            fields = {"segment": name, "turns": parse_segment_name(name).turns, "error": str(error)}
            logger.error("journal segment set aside", extra=fields)  # noqa: TRY400
            self._metrics.damaged_segments_total.inc()
            await self._journal.set_aside(name)
            self._damaged = await self._journal.list_damaged()
            return None

    @tracer.start_as_current_span("ingest")
    async def _work_off(self, group: Sequence[OpenSegment]) -> None:
        self._lease.check()
        trace.get_current_span().set_attribute("simplemem.operations", sum(len(one.operations) for one in group))
        results = await self._applier.apply([operation for segment in group for operation in segment.operations])
        if all(one.operation.user_id == CANARY_USER for segment in group for one in segment.operations):
            self._upkeep.note_check()
        else:
            self._synthesizer.wake()
            self._upkeep.note_commit()
        self.on_commit()
        ended = [[results[operation.operation_id] for operation in segment.operations] for segment in group]
        await self._journal.sync()
        await asyncio.gather(*map(self._journal.finish, group, ended))

    async def _forget(self) -> None:
        """Read everything anew after a failure: another process may have written meanwhile."""
        if self._reembedder is not None:
            await self._reembedder.pause()
        self._rememberer.forget()
        self._synthesizer.forget()
        self._positions.forget()
        self._is_awake = True

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
        await wait_at_most(self._journal.appended, constants.JOURNAL_POLL.total_seconds())

    async def _pause(self, seconds: float) -> None:
        await wait_at_most(self._stopping, seconds)


def describe_ingest(damaged: Sequence[str]) -> str:
    """What is said of a writer that works, and of the segments that it could not read."""
    if not damaged:
        return "accepted turns become searchable"
    turns = sum(parse_segment_name(name).turns for name in damaged)
    return (
        f"accepted turns become searchable, but for {turns} in {len(damaged)} damaged segments set aside in "
        f"'{DAMAGED}', the last '{damaged[-1]}'; send them again and remove the segments"
    )


def groups_of_turns(segments: Sequence[OpenSegment]) -> list[list[OpenSegment]]:
    """Segments in order: those of turns only together as long as they follow each other, others each alone."""
    groups: list[list[OpenSegment]] = []
    could_grow = False
    for segment in segments:
        can_grow = all(item.operation.kind is OperationKind.TURNS for item in segment.operations)
        if could_grow and can_grow:
            groups[-1].append(segment)
        else:
            groups.append([segment])
        could_grow = can_grow
    return groups

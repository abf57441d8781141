"""Turns become entries: the batch of the one writer that most of its work is.

Sessions are compressed in parallel; then one commit of entries follows, then one of turns. The order makes a replay
harmless after a crash at any point: entries carry ids derived from their turns, so writing them again changes nothing,
and turns that are kept are not compressed again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from simplemem_service.errors import TransientError
from simplemem_service.ingest import batch as batches
from simplemem_service.ingest.attempts import Attempts
from simplemem_service.ingest.batch import PlannedOperation, SessionPlan
from simplemem_service.ingest.positions import Positions
from simplemem_service.models.entry import EmbeddedEntry, Entry, Turn
from simplemem_service.models.operation import DroppedTurns, JournaledOperation, OperationResult, OperationState
from simplemem_service.pipeline.compress import Compressed as Made
from simplemem_service.pipeline.compress import CompressionStage
from simplemem_service.storage.base import Storage
from simplemem_service.telemetry import Metrics

logger = logging.getLogger(__name__)

PRECEDING_ENTRIES = 40
"""Latest entries of a session that its next turns are compressed after: a default window of history."""
DROPPED_WINDOWS_SHOWN = 20
"""Windows dropped that the result of an operation names; the log names all of them."""
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


class Rememberer:
    """Applies operations of turns.

    Parameters
    ----------
    storage, compressor, positions, attempts, metrics
        What it works with.
    check
        Called before each commit; raises if this process may not write any more.
    workers
        Sessions compressed at the same time.
    clock
        The time that entries are stamped with, aware.
    """

    def __init__(
        self,
        storage: Storage,
        compressor: CompressionStage,
        positions: Positions,
        attempts: Attempts,
        metrics: Metrics,
        *,
        check: Callable[[], None],
        workers: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._compressor = compressor
        self._positions = positions
        self._attempts = attempts
        self._metrics = metrics
        self._check = check
        self._clock = clock
        self._slots = asyncio.Semaphore(workers)
        self._tails: OrderedDict[tuple[str, str], list[Entry]] = OrderedDict()

    async def apply(self, operations: Sequence[JournaledOperation]) -> dict[str, OperationResult]:
        """Compress and write the turns of operations; how each ended, by its id."""
        identified = batches.identify(operations)
        known = await self._storage.known_turns([turn.key for _, turns in identified for turn in turns])
        plans = batches.plan_sessions(identified, known)
        compressed = Compressed()
        for part in await asyncio.gather(*(self._compress_in_turn(plan) for plan in plans)):
            compressed.extend(part)
        version = await self._commit(compressed)
        return {key: replace(result, version=version) for key, result in compressed.results.items()}

    def forget(self) -> None:
        """Read the latest entries of sessions anew: they may have changed."""
        self._tails.clear()

    async def _compress_in_turn(self, plan: SessionPlan) -> Compressed:
        async with self._slots:
            return await self._compress(plan)

    async def _compress(self, plan: SessionPlan) -> Compressed:
        turns = plan.turns
        if not turns:
            return Compressed(results={item.operation_id: _succeeded(item) for item in plan.operations})
        preceding = await self._tail(plan, turns)
        try:
            made = await self._compressor.compress(turns, preceding, await self._positions.next_entry())
        except TransientError:
            raise
        except Exception as error:  # noqa: BLE001 - an operation that breaks the compressor must not stop the others
            return await self._isolate(plan, error)
        counts = batches.count_entries(plan, made.entries)
        densities = _densities(made)
        results = {
            item.operation_id: _succeeded(item, counts[item.operation_id], _dropped_of(item, made))
            for item in plan.operations
        }
        kept = [replace(turn, dropped_density=densities.get(turn.key)) for turn in turns]
        return Compressed(list(made.entries), kept, results)

    async def _isolate(self, plan: SessionPlan, error: Exception) -> Compressed:
        """Deal with turns that cannot be compressed: find the operation to blame, and end it once that is certain."""
        if len(plan.operations) > 1:
            parts = Compressed()
            for operation in plan.operations:
                parts.extend(await self._compress(SessionPlan(plan.user_id, plan.session_id, [operation])))
            return parts
        accepted = plan.operations[0].accepted
        return Compressed(results={accepted.operation_id: self._attempts.fail(accepted, error)})

    async def _commit(self, compressed: Compressed) -> int:
        self._check()
        first = await self._positions.take_entries(len(compressed.entries))
        entries = batches.number_entries(compressed.entries, first, self._clock())
        version = await self._storage.add_entries(entries)
        first_turn = await self._positions.take_turns(len(compressed.turns))
        await self._storage.add_turns(batches.number_turns(compressed.turns, first_turn))
        self._remember(entries)
        self._metrics.ingest_turns_total.inc(len(compressed.turns))
        self._metrics.dropped_low_density_total.inc(sum(result.dropped for result in compressed.results.values()))
        return version

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


def _densities(made: Made) -> dict[str, float]:
    """Density of each turn that was dropped, by its key."""
    for window in made.dropped:
        fields = asdict(window.density) | {"turns": [turn.key for turn in window.turns]}
        logger.info("window dropped by the density filter", extra=fields)
    return {turn.key: window.density.score for window in made.dropped for turn in window.turns}


def _dropped_of(operation: PlannedOperation, made: Made) -> list[DroppedTurns]:
    """The windows dropped, as far as they consist of an operation's turns."""
    own = {turn.key for turn in operation.turns}
    parts = ((tuple(turn.id for turn in window.turns if turn.key in own), window.density) for window in made.dropped)
    return [DroppedTurns(turn_ids, density) for turn_ids, density in parts if turn_ids]


def _succeeded(operation: PlannedOperation, entries: int = 0, dropped: Sequence[DroppedTurns] = ()) -> OperationResult:
    return OperationResult(
        OperationState.SUCCEEDED,
        turns=operation.given,
        entries=entries,
        dropped=sum(len(window.turn_ids) for window in dropped),
        dropped_windows=tuple(dropped[:DROPPED_WINDOWS_SHOWN]),
    )

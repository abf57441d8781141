"""Brings back turns that were dropped for their low density, once the threshold is lower than that.

A dropped turn is kept with the density of its window. So lowering the threshold needs no look at the conversation: at
its start the writer takes the turns that today's threshold keeps, a batch at a time, and makes entries of them. The
entries come after those made meanwhile, and their density is not judged again: what followed would make them look even
less new.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from simplemem_service.constants import BATCH_MAX_TURNS
from simplemem_service.ingest.batch import number_entries
from simplemem_service.ingest.positions import Positions
from simplemem_service.models.entry import EmbeddedEntry, Entry, Turn, group_by_session
from simplemem_service.models.operation import JournaledOperation, OperationKind, OperationResult, OperationState
from simplemem_service.pipeline.compress import CompressionStage
from simplemem_service.pipeline.vectors import CONTEXT_TURNS
from simplemem_service.storage.base import Storage

logger = logging.getLogger(__name__)

ENTRIES_LOOKED_AT = 40
"""Latest entries of a session among which those told before a turn are looked for."""


class Recompressor:
    """Makes entries of dropped turns.

    Parameters
    ----------
    storage, compressor, positions
        What it works with.
    clock
        The time that entries are stamped with, aware.
    """

    def __init__(
        self, storage: Storage, compressor: CompressionStage, positions: Positions, clock: Callable[[], datetime]
    ) -> None:
        self._storage = storage
        self._compressor = compressor
        self._positions = positions
        self._clock = clock
        self._is_done = False

    async def step(self) -> bool:
        """Bring back one batch of anybody's; False once there is none left. The threshold stays while a process lives,
        so one that found none looks no more.
        """
        if self._is_done:
            return False
        self._is_done = not (await self._bring_back(None))[0]
        return not self._is_done

    async def apply(self, accepted: JournaledOperation) -> OperationResult:
        """Bring back all of the operation's user."""
        entries = 0
        version = await self._storage.add_entries([])
        while True:
            turns, made, after = await self._bring_back(accepted.operation.user_id)
            if not turns:
                break
            entries, version = entries + made, after
        return OperationResult(
            OperationState.SUCCEEDED, turns=0, entries=entries, version=version, kind=OperationKind.RECOMPRESS
        )

    async def _bring_back(self, user_id: str | None) -> tuple[int, int, int]:
        """Turns brought back, entries made of them, and the table's version."""
        threshold = self._compressor.density_threshold
        turns = await self._storage.dropped_turns(user_id, threshold, BATCH_MAX_TURNS)
        if not turns:
            return 0, 0, 0
        made = [entry for own in group_by_session(turns) for entry in await self._compress(own)]
        first = await self._positions.take_entries(len(made))
        version = await self._storage.add_entries(number_entries(made, first, self._clock()))
        await self._storage.update_turns([replace(turn, dropped_density=None) for turn in turns])
        logger.info("dropped turns brought back", extra={"turns": len(turns), "threshold": threshold})
        return len(turns), len(made), version

    async def _compress(self, turns: Sequence[Turn]) -> Sequence[EmbeddedEntry]:
        preceding = await self._told_before(turns[0])
        position = await self._positions.next_entry()
        return (await self._compressor.compress(turns, preceding, position, keeps_all=True)).entries

    async def _told_before(self, turn: Turn) -> list[Entry]:
        """The entries that were told just before a turn, as far as times tell."""
        latest = await self._storage.last_entries(turn.user_id, turn.session_id, ENTRIES_LOOKED_AT)
        told = turn.timestamp
        before = [entry for entry in latest if told is None or entry.timestamp is None or entry.timestamp <= told]
        return before[-CONTEXT_TURNS:]

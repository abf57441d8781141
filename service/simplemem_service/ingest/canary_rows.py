"""Removes what checks of the write path wrote: no receipt, no history and no rewriting of files, for nobody's words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from simplemem_service.models.entry import CANARY_USER
from simplemem_service.models.operation import CanaryPayload, OperationKind, OperationResult, OperationState
from simplemem_service.models.query import EntryFilter
from simplemem_service.storage.base import Storage

LEFT_AFTER = timedelta(hours=1)
"""Age from which an entry belongs to a check that ended without removing it; no check takes so long."""
AT_ONCE = 1_000
"""Entries removed at once."""


class CanaryRows:
    """Applies operations that end a check of the write path.

    Parameters
    ----------
    storage
        Where the rows are.
    clock
        The present time, aware.
    """

    def __init__(self, storage: Storage, clock: Callable[[], datetime]) -> None:
        self._storage = storage
        self._clock = clock

    async def remove(self, payload: CanaryPayload) -> OperationResult:
        """Remove the entry of a check and old ones of others, with their turns."""
        oldest = self._clock() - LEFT_AFTER
        rows = await self._storage.list_entries(EntryFilter(user_id=CANARY_USER), after=-1, limit=AT_ONCE)
        gone = [
            row
            for row in rows
            if row.entry_id == payload.entry_id or (row.created_at is None or row.created_at < oldest)
        ]
        await self._storage.delete_turns([key for row in gone for key in row.sources])
        version = await self._storage.delete_entries([row.entry_id for row in gone])
        return OperationResult(
            OperationState.SUCCEEDED, turns=0, version=version, kind=OperationKind.CANARY, deleted=len(gone)
        )

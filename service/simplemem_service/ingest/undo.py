"""Takes back what one cause did to existing entries, by their history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from simplemem_service.errors import NotFoundError
from simplemem_service.ingest.given import GivenEntries
from simplemem_service.models.entry import EmbeddedEntry, Entry
from simplemem_service.models.operation import (
    JournaledOperation,
    OperationKind,
    OperationResult,
    OperationState,
    UndoPayload,
)
from simplemem_service.models.revision import ChangeKind, Revision
from simplemem_service.storage.base import Storage

_UNDONE = frozenset({ChangeKind.EDITED, ChangeKind.SUPERSEDED, ChangeKind.MERGED})
"""Changes that can be taken back; what was removed cannot."""


class Undo:
    """Applies operations that take back an earlier one.

    Parameters
    ----------
    storage, given
        What it works with.
    clock
        The present time, aware.
    """

    def __init__(self, storage: Storage, given: GivenEntries, clock: Callable[[], datetime]) -> None:
        self._storage = storage
        self._given = given
        self._clock = clock

    async def apply(self, accepted: JournaledOperation, payload: UndoPayload) -> OperationResult:
        """Make entries what they were before a cause; entries that were made by merging them are removed.

        Raises `NotFoundError` if the cause changed none of the user's entries.
        """
        user_id = accepted.operation.user_id
        revisions = [one for one in await self._storage.changes_by(payload.cause) if one.user_id == user_id]
        before = {one.entry_id: one for one in revisions if one.change in _UNDONE and one.before is not None}
        if not before:
            raise NotFoundError(f"nothing changed by '{payload.cause}' can be taken back")
        rows = await self._storage.read_embedded(list(before))
        await self._storage.add_history([self._revision(row, accepted.operation_id) for row in rows])
        restored = await self._restore(rows, {key: one.before for key, one in before.items() if one.before})
        version = await self._storage.update_entries(restored)
        merged = await self._merged(accepted.operation_id, {key for key, one in before.items() if _is_merge(one)})
        if merged:
            await self._storage.delete_history(sorted(merged))
            version = await self._storage.delete_entries(sorted(merged))
        return OperationResult(
            OperationState.SUCCEEDED,
            turns=0,
            entries=len(restored),
            deleted=len(merged),
            version=version,
            kind=OperationKind.UNDO,
        )

    async def _restore(self, rows: Sequence[EmbeddedEntry], before: dict[str, Entry]) -> list[EmbeddedEntry]:
        """The entries as they were; their vectors stay where the words do."""
        former = [(row, replace(before[row.entry.entry_id], position=row.entry.position)) for row in rows]
        same = [replace(row, entry=entry) for row, entry in former if row.entry.text == entry.text]
        return same + await self._given.restore([entry for row, entry in former if row.entry.text != entry.text])

    async def _merged(self, cause: str, members: set[str]) -> set[str]:
        """What members were merged into; read from the history, since a replay finds them restored already."""
        restored = [one.before for one in await self._storage.changes_by(cause) if one.entry_id in members]
        return {entry.superseded_by for entry in restored if entry is not None and entry.superseded_by}

    def _revision(self, row: EmbeddedEntry, cause: str) -> Revision:
        return Revision(row.entry.entry_id, row.entry.user_id, self._clock(), cause, ChangeKind.RESTORED, row.entry)


def _is_merge(revision: Revision) -> bool:
    return revision.change is ChangeKind.MERGED

"""Removal of entries and of whole users: from the tables at once, from the disk within one maintenance round.

A round goes: rows are removed (`Delete`, `Erase`), the files that held them are rewritten (`purge`), and once the
retention of old versions is over and no version before that is left, the receipt says so. Nothing of it rests on this
process living on: receipts that are open at a start are taken up again.

What a replay after a crash needs is removed last: turns and histories first, entries in the end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from simplemem_service import constants
from simplemem_service.ingest.journal_upkeep import JournalUpkeep
from simplemem_service.ingest.receipts import Receipts
from simplemem_service.models.entry import EmbeddedEntry
from simplemem_service.models.operation import (
    DeletePayload,
    JournaledOperation,
    OperationKind,
    OperationResult,
    OperationState,
    Receipt,
)
from simplemem_service.models.revision import ChangeKind, Revision
from simplemem_service.storage.base import PurgeMark, Removed, Storage

logger = logging.getLogger(__name__)

EraseHook = Callable[[str], Awaitable[None]]
"""Called with a user's id when everything of the user is to go: for caches that hold text."""

Sweep = Callable[[], Awaitable[bool]]
"""Removes from caches what was made of anybody's words; False while it cannot be told whether all is gone, such as
while a Redis is away."""


@dataclass(frozen=True, slots=True)
class _Round:
    """Removals whose files were rewritten together."""

    operations: tuple[str, ...]
    """Their ids."""
    mark: PurgeMark
    """Versions before it hold the bytes."""
    since: float
    """When the files were rewritten, by the loop's clock."""


class Removals:
    """Applies operations that remove, and sees to it that the bytes go.

    Parameters
    ----------
    storage, journal, receipts
        What it works with.
    clock
        The present time, aware.
    """

    def __init__(
        self, storage: Storage, journal: JournalUpkeep, receipts: Receipts, clock: Callable[[], datetime]
    ) -> None:
        self._storage = storage
        self._journal = journal
        self._receipts = receipts
        self._clock = clock
        self._open: set[str] | None = None
        self._erases = True
        self._rounds: list[_Round] = []
        self._next_purge = 0.0
        self._next_look = 0.0
        self.hooks: list[EraseHook] = []
        """What else holds text of users and must let go of it."""
        self.sweeps: list[Sweep] = []
        """What caches do when words are removed, whoever said them."""

    async def delete(self, accepted: JournaledOperation, payload: DeletePayload) -> OperationResult:
        """Remove entries of the user with the turns that only they cite; what they superseded holds again."""
        user_id = accepted.operation.user_id
        found = await self._storage.read_embedded(list(dict.fromkeys(payload.entry_ids)))
        entries = [row.entry for row in found if row.entry.user_id == user_id]
        ids = [entry.entry_id for entry in entries]
        turns = await self._storage.sole_turns(entries)
        removed = Removed(len(ids), len(turns), await self._storage.count_history(ids))
        receipt = await self._open_receipt(accepted, removed)
        await self._storage.delete_turns(turns)
        await self._storage.delete_history(ids)
        now, cause = self._clock(), accepted.operation_id
        gone = [Revision(entry_id, user_id, now, cause, ChangeKind.DELETED, None) for entry_id in ids]
        await self._storage.add_history(gone)
        revived = [row for row in await self._storage.superseded_by(ids) if row.entry.entry_id not in ids]
        await self._storage.add_history([_restored(row, now, cause) for row in revived])
        await self._storage.update_entries([_valid_again(row) for row in revived])
        version = await self._storage.delete_entries(ids)
        self._note(cause, erases=False)
        return _removed(OperationKind.DELETE, receipt, version)

    async def erase(self, accepted: JournaledOperation) -> OperationResult:
        """Remove everything of the operation's user that was accepted before it."""
        user_id = accepted.operation.user_id
        receipt = await self._open_receipt(accepted, await self._storage.count_user(user_id))
        await self._journal.erase_user(user_id)
        for hook in self.hooks:
            await hook(user_id)
        version = await self._storage.erase_user(user_id)
        await self._sweep()
        self._note(accepted.operation_id, erases=True)
        return _removed(OperationKind.ERASE, receipt, version)

    async def work(self) -> None:
        """Do what is due of the rounds; cheap while nothing is."""
        now = asyncio.get_running_loop().time()
        if self._open is None:
            self._open = set(await self._receipts.list_open())
        if self._open and now >= self._next_purge:
            await self._purge(now)
        due = [one for one in self._rounds if now - one.since > constants.PURGE_FACTOR * _retention()]
        if due and now >= self._next_look:
            self._next_look = now + constants.PURGE_INTERVAL.total_seconds()
            await self._conclude(due)

    async def _purge(self, now: float) -> None:
        operations = tuple(sorted(self._open or ()))
        mark = await self._storage.purge(drops_indices=self._erases)
        await self._storage.maintain()
        self._rounds.append(_Round(operations, mark, now))
        self._open, self._erases = set(), False
        self._next_purge = now + constants.PURGE_INTERVAL.total_seconds()

    async def _conclude(self, due: Sequence[_Round]) -> None:
        await self._storage.maintain()
        purged = [one for one in due if await self._storage.is_purged(one.mark)]
        # Once more: a search of then may have kept something since, and a cache that was away may be back.
        is_swept = await self._sweep() if purged else True
        now = asyncio.get_running_loop().time()
        for one in purged:
            if is_swept or now - one.since > constants.CACHE_LIFETIME.total_seconds():
                for operation_id in one.operations:
                    await self._receipts.complete(operation_id, self._clock())
                self._rounds.remove(one)
                logger.info("removed rows are gone from the disk", extra={"operations": list(one.operations)})

    async def _sweep(self) -> bool:
        swept = [await sweep() for sweep in self.sweeps]
        if not all(swept):
            logger.warning("a cache that may hold removed words does not answer; receipts stay open until it does")
        return all(swept)

    async def _open_receipt(self, accepted: JournaledOperation, removed: Removed) -> Receipt:
        now = self._clock()
        receipt = Receipt(
            kind=accepted.operation.kind,
            user_id=accepted.operation.user_id,
            requested_at=accepted.operation.received_at,
            removed={"entries": removed.entries, "turns": removed.turns, "revisions": removed.revisions},
            physical_by=now + 2 * constants.PURGE_INTERVAL + 2 * constants.MAINTENANCE_RETENTION,
        )
        return await self._receipts.open(accepted.operation_id, receipt)

    def _note(self, operation_id: str, *, erases: bool) -> None:
        if self._open is not None:
            self._open.add(operation_id)
        self._erases = self._erases or erases


def _retention() -> float:
    return constants.MAINTENANCE_RETENTION.total_seconds()


def _restored(row: EmbeddedEntry, now: datetime, cause: str) -> Revision:
    return Revision(row.entry.entry_id, row.entry.user_id, now, cause, ChangeKind.RESTORED, row.entry)


def _valid_again(row: EmbeddedEntry) -> EmbeddedEntry:
    return replace(row, entry=replace(row.entry, superseded_by=None, valid_until=None))


def _removed(kind: OperationKind, receipt: Receipt, version: int) -> OperationResult:
    return OperationResult(
        OperationState.SUCCEEDED,
        turns=0,
        version=version,
        kind=kind,
        deleted=receipt.removed["entries"],
        receipt=receipt,
    )

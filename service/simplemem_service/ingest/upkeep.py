"""What the one writer does between batches: compact tables, drop old versions, results and keys, end removals."""

from __future__ import annotations

import asyncio

from simplemem_service import constants
from simplemem_service.ingest.journal_upkeep import JournalUpkeep
from simplemem_service.ingest.receipts import Receipts
from simplemem_service.ingest.removals import Removals
from simplemem_service.storage.base import Storage

CHECK_COMMITS = 4
"""Commits that a commit of a check counts for. A check leaves 160 KB of versions, and nothing else of a quiet store
grows: so they are tidied every half hour, and a look at the stored bytes tells of users."""


class Upkeep:
    """Does what is due.

    Parameters
    ----------
    storage, journal, receipts, removals
        What is kept up.
    """

    def __init__(self, storage: Storage, journal: JournalUpkeep, receipts: Receipts, removals: Removals) -> None:
        self._storage = storage
        self._journal = journal
        self._receipts = receipts
        self._removals = removals
        self._commits = 0
        self._last_commit = 0.0
        self._has_old_versions = False
        self._next_sweep = 0.0

    def note_commit(self) -> None:
        """A batch was written."""
        self._commits += 1
        self._last_commit = asyncio.get_running_loop().time()
        self._has_old_versions = True

    def note_check(self) -> None:
        """A check of the write path was written: it is no sign of use, and leaves as many bytes as a small batch."""
        self._commits += CHECK_COMMITS

    async def work(self) -> None:
        """Do what is due; cheap while nothing is."""
        await self._maintain()
        await self._removals.work()
        now = asyncio.get_running_loop().time()
        if now >= self._next_sweep:
            self._next_sweep = now + constants.JOURNAL_SWEEP.total_seconds()
            await self._journal.sweep()
            await self._receipts.sweep()

    async def _maintain(self) -> None:
        """Tidy the tables every so many commits, and once more when the versions left by the last ones are old."""
        now = asyncio.get_running_loop().time()
        is_old = now - self._last_commit > 1.1 * constants.MAINTENANCE_RETENTION.total_seconds()
        if self._commits >= constants.MAINTENANCE_COMMITS or (self._has_old_versions and is_old):
            self._has_old_versions = not is_old
            self._commits = 0
            await self._storage.maintain()

"""Keeps the journal small, and rids it of what an erased user said.

A finished segment keeps results only: what was said lies in the table of turns. The exception is an operation that
failed, whose words lie nowhere else; they stay in `journal/failed` until their user is erased.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

from simplemem_service.constants import IDEMPOTENCY_RETENTION, RESULTS_LEAST, RESULTS_MAX, RESULTS_RETENTION
from simplemem_service.ingest import segment as segments
from simplemem_service.ingest.journal import DAMAGED, DONE, FAILED, KEYS
from simplemem_service.storage.blobs import BlobStore

DELETED_AT_ONCE = 32
"""Files removed at the same time."""


class JournalUpkeep:
    """Removes what the journal need not keep.

    Parameters
    ----------
    blobs
        Where the segments lie.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def sweep(self) -> int:
        """Drop results and Idempotency-Keys that are too old or too many; returns how many files went."""
        kept_long_enough = await self._blobs.list_older(DONE, RESULTS_LEAST)
        expired = set(await self._blobs.list_older(DONE, RESULTS_RETENTION))
        expired.update(kept_long_enough[: max(0, len(kept_long_enough) - RESULTS_MAX)])
        await self._delete(f"{DONE}/{name}" for name in sorted(expired))
        keys = await self._blobs.list_older(KEYS, IDEMPOTENCY_RETENTION)
        await self._delete(f"{KEYS}/{name}" for name in keys)
        return len(expired) + len(keys)

    async def erase_user(self, user_id: str) -> None:
        """Remove the words of a user: failed operations, and damaged segments that name the user."""
        for name in await self._blobs.list_names(FAILED):
            data = await self._blobs.get(f"{FAILED}/{name}")
            if data is not None and segments.decode_line(data).user_id == user_id:
                await self._blobs.delete(f"{FAILED}/{name}")
        needle = json.dumps(user_id).encode()
        for name in await self._blobs.list_names(DAMAGED):
            data = await self._blobs.get(f"{DAMAGED}/{name}")
            if data is not None and needle in data:
                await self._blobs.delete(f"{DAMAGED}/{name}")

    async def _delete(self, names: Iterable[str]) -> None:
        waiting = list(names)
        for start in range(0, len(waiting), DELETED_AT_ONCE):
            await asyncio.gather(*(self._blobs.delete(name) for name in waiting[start : start + DELETED_AT_ONCE]))

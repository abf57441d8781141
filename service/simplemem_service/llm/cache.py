"""Replies that were paid for once, kept as blobs beside the journal.

A key names its owner first, so that forgetting a person forgets the replies made of what they said. Replies lie in a
folder of the month they were written in; of these the present and the last one are looked at and older ones removed,
so the cache is bounded by two months of windows and by `MOST_REPLIES` in each.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.storage.blobs import BlobStore

logger = logging.getLogger(__name__)

FOLDER = "llm-cache"
"""Where the replies lie, a folder a month."""
MOST_REPLIES = 20_000
"""Replies kept of one month; at two kilobytes each that is 40 MB."""
MONTHS_SWEPT = 36
"""Months that are looked at for old replies, once a month and process."""


def owner_of(user_id: str) -> str:
    """What the keys of a person's replies begin with, up to a hyphen."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:24]


class BlobCache:
    """A durable cache on a blob store; what fails in it costs a call, never an operation.

    Parameters
    ----------
    blobs
        Where the replies lie.
    clock
        The time, aware.
    """

    def __init__(self, blobs: BlobStore, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._blobs = blobs
        self._clock = clock
        self._swept = ""
        self._kept = 0

    async def get(self, key: str) -> bytes | None:
        """The value of a key, or None."""
        try:
            for month in self._months(2):
                found = await self._blobs.get(_blob(month, key))
                if found is not None:
                    return found
        except StorageUnavailableError as error:
            logger.warning("compression cache not read", extra={"error": str(error)})
        return None

    async def put(self, key: str, value: bytes) -> None:
        """Keep a value; one that is there stays."""
        try:
            await self._sweep()
            if self._kept < MOST_REPLIES:
                self._kept += await self._blobs.put_new(_blob(self._months(1)[0], key), value)
        except StorageUnavailableError as error:
            logger.warning("compression cache not written", extra={"error": str(error)})

    async def forget_user(self, user_id: str) -> None:
        """Remove all replies made of what a person said. Raises `StorageUnavailableError`."""
        await self._sweep()
        owner = owner_of(user_id)
        for month in self._months(2):
            for name in await self._blobs.list_names(f"{FOLDER}/{month}"):
                if name.startswith(f"{owner}-"):
                    await self._blobs.delete(f"{FOLDER}/{month}/{name}")

    async def _sweep(self) -> None:
        """Once a month and process: count what is kept, remove what is old."""
        present = self._months(1)[0]
        if self._swept == present:
            return
        self._kept = len(await self._blobs.list_names(f"{FOLDER}/{present}"))
        for month in self._months(MONTHS_SWEPT)[2:]:
            for name in await self._blobs.list_names(f"{FOLDER}/{month}"):
                await self._blobs.delete(f"{FOLDER}/{month}/{name}")
        self._swept = present

    def _months(self, count: int) -> list[str]:
        """So many months, the present one first."""
        now = self._clock().astimezone(UTC)
        number = now.year * 12 + now.month - 1
        return [f"{place // 12:04d}-{place % 12 + 1:02d}" for place in range(number, number - count, -1)]


def _blob(month: str, key: str) -> str:
    return f"{FOLDER}/{month}/{key}"

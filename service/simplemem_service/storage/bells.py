"""Tells processes that look at a bucket that something new lies there.

A listing costs $0.005 a thousand, looking at one object a twelfth of it, and every pod of a quiet store looks twice a
second: $26 a month each by listings, $2.10 by looks. So who writes rewrites a small object afterwards, and who waits
looks at that. Nothing rests on it: a bell that was not heard, as by a kill between the two, is made good by a listing
a few seconds later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta

from typing_extensions import override

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.storage.s3_blobs import S3BlobStore

logger = logging.getLogger(__name__)

UNHEARD = timedelta(seconds=20)
"""After how long something is looked for although no bell was heard: 65 cents a month."""
JOURNAL_BELL = "bells/journal"
"""Rung where turns were accepted."""
TABLES_BELL = "bells/tables"
"""Rung where the tables were written."""


class Bell(ABC):
    """Something new may be there."""

    @abstractmethod
    def ring(self) -> None:
        """Tell it to others; returns at once."""

    @abstractmethod
    async def has_rung(self) -> bool:
        """Whether something new may be there since the last time that the answer was yes."""


class AlwaysRinging(Bell):
    """Of a volume, where looking costs nothing."""

    @override
    def ring(self) -> None:
        """Nobody needs to be told."""

    @override
    async def has_rung(self) -> bool:
        return True


class BucketBell(Bell):
    """An object that is rewritten.

    Parameters
    ----------
    blobs
        The bucket.
    name
        The object.
    clock
        Monotonic seconds.
    """

    def __init__(self, blobs: S3BlobStore, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._blobs = blobs
        self._name = name
        self._clock = clock
        self._heard: str | None = None
        self._answered: float | None = None
        self._is_due = False
        self._ringing: asyncio.Task[None] | None = None

    @override
    def ring(self) -> None:
        self._is_due = True
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._ring())

    async def _ring(self) -> None:
        while self._is_due:
            self._is_due = False
            try:
                await self._blobs.put(self._name, str(time.time_ns()).encode())
            except StorageUnavailableError as error:
                logger.debug("bell not rung", extra={"bell": self._name, "error": str(error)})

    @override
    async def has_rung(self) -> bool:
        now = self._clock()
        found = await self._blobs.version(self._name)
        is_late = self._answered is None or now - self._answered >= UNHEARD.total_seconds()
        if found == self._heard and not is_late:
            return False
        self._heard, self._answered = found, now
        return True

"""On which day each entry was last found, for stores that forget what nobody looks for.

A search never waits for it: what was found is kept in memory, and written a few times an hour as the entries that were
not found before on that day. A kill loses the last minutes. The writer lays these files together and drops days that
count no more, so there are as many as pods wrote since, and one.

    used/since                  the day from which on it is known
    used/<day>.<number>.json    entries found on a day, by one pod
    used/merged.<number>.json   the last day of each entry found before

Entries stand there as a digest of their ids, since what was removed must not be guessed from what is left.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.storage.blobs import BlobStore

logger = logging.getLogger(__name__)

FOLDER = "used"
"""Where the days lie."""
SINCE = "since"
"""Name of the first day."""
MERGED = "merged"
"""How the name of what was laid together begins."""
FLUSH = timedelta(minutes=10)
"""How often what was found is written."""
DIGEST_BYTES = 8
"""Length of the digest of an id: two of a million entries share one once in 37 million stores, and then one stays."""


class UsedDays:
    """Notes what is found.

    Parameters
    ----------
    blobs
        Where the days lie.
    clock
        The present time, aware.
    """

    def __init__(self, blobs: BlobStore, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._blobs = blobs
        self._clock = clock
        self._day = ""
        self._waiting: set[str] = set()
        self._written: set[str] = set()

    def note(self, entry_ids: Iterable[str]) -> None:
        """Entries were found."""
        day = self._clock().astimezone(UTC).date().isoformat()
        if day != self._day:
            # What was found just before midnight counts for the new day: a day too late harms nothing.
            self._day, self._written = day, set()
        self._waiting.update({digest(entry_id) for entry_id in entry_ids} - self._written)

    async def flush(self) -> None:
        """Write what is not written yet; what fails is done at the next time."""
        if not self._waiting:
            return
        taken, self._waiting = self._waiting, set()
        data = json.dumps(sorted(taken)).encode()
        try:
            await self._blobs.put_new(f"{FOLDER}/{self._day}.{uuid.uuid4().hex}.json", data)
            self._written |= taken
        except StorageUnavailableError as error:
            self._waiting |= taken
            logger.warning("days of use not written", extra={"error": str(error)})

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await asyncio.sleep(FLUSH.total_seconds())
            await self.flush()


class UsedDaysReader:
    """What the writer knows of the days.

    Parameters
    ----------
    blobs
        Where they lie.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def since(self, today: date) -> date:
        """The day from which on it is known what is found; today, where nobody asked before."""
        name = f"{FOLDER}/{SINCE}"
        found = await self._blobs.get(name)
        if found is None:
            found = today.isoformat().encode()
            await self._blobs.put_new(name, found)
        return date.fromisoformat(found.decode())

    async def last_days(self, oldest: date) -> Mapping[str, int]:
        """Ordinal of the last day of each digest that was found on or after a day; files are laid together."""
        names = [name for name in await self._blobs.list_names(FOLDER) if name != SINCE]
        days: dict[str, int] = {}
        for name in names:
            data = await self._blobs.get(f"{FOLDER}/{name}")
            for key, ordinal in await asyncio.to_thread(_read, name, data or b"{}"):
                if ordinal >= oldest.toordinal() and ordinal > days.get(key, 0):
                    days[key] = ordinal
        if len(names) > 1:
            data = await asyncio.to_thread(lambda: json.dumps(days).encode())
            await self._blobs.put_new(f"{FOLDER}/{MERGED}.{uuid.uuid4().hex}.json", data)
            for name in names:
                await self._blobs.delete(f"{FOLDER}/{name}")
        return days

    async def drop(self) -> None:
        """Forget the days, so that those of long ago do not count when the store begins to forget again."""
        for name in await self._blobs.list_names(FOLDER):
            await self._blobs.delete(f"{FOLDER}/{name}")


def digest(entry_id: str) -> str:
    """What an entry is noted under."""
    return hashlib.blake2b(entry_id.encode(), digest_size=DIGEST_BYTES).hexdigest()


def _read(name: str, data: bytes) -> list[tuple[str, int]]:
    found = json.loads(data)
    if name.startswith(f"{MERGED}."):
        return list(found.items())
    ordinal = date.fromisoformat(name.split(".", 1)[0]).toordinal()
    return [(key, ordinal) for key in found]

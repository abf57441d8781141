"""Who may write the tables: one process at a time.

On a volume a file lock says who writes; it goes with the process. In a bucket it is an object that the holder keeps
rewriting: whoever sees it unchanged for long enough, by its own clock, takes over with a conditional PUT. No clock is
compared with another machine's. How long that is stands in the object: a writer that writes is followed soon, one that
rests costs fewer requests. A holder that stood still meanwhile may go on with a commit that it began before; so
who takes over fences the tables first (`fence.py`), whenever `term` has changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import IO

from typing_extensions import override

from simplemem_service.constants import LEASE_EXPIRY, LEASE_RENEWAL, LEASE_REST, LEASE_REST_EXPIRY
from simplemem_service.errors import LeaseLostError, StorageUnavailableError
from simplemem_service.storage.s3_blobs import S3BlobStore

LEASE_NAME = "writer.lock"
"""Name of the lock file or lease object."""
NOBODY = "0" * 32
"""Holder of a lease that was given back; as long as any other."""


class Lease(ABC):
    """The right to write the tables."""

    term = 0
    """How often this process came to hold it; another process may have written between two terms."""
    outlives = timedelta(0)
    """How long it may outlive a process that was killed."""

    @abstractmethod
    async def try_acquire(self) -> bool:
        """Whether this process may write from now on."""

    @abstractmethod
    def check(self) -> None:
        """Return if this process may still write, else raise `LeaseLostError`."""

    @abstractmethod
    async def release(self) -> None:
        """Let the next process write at once; no error if the lease is not held."""


class FileLease(Lease):
    """An exclusive lock on a file of the volume.

    Parameters
    ----------
    folder
        The data folder; made on first use.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LEASE_NAME
        self._file: IO[bytes] | None = None

    @override
    async def try_acquire(self) -> bool:
        if self._file is None:
            self._file = await asyncio.to_thread(self._lock)
            self.term += self._file is not None
        return self._file is not None

    @override
    def check(self) -> None:
        if self._file is None:
            raise LeaseLostError("this process does not hold the writer's lock")

    @override
    async def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _lock(self) -> IO[bytes] | None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("ab")
        except OSError as error:
            raise StorageUnavailableError(f"the data folder refuses: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file


class BucketLease(Lease):
    """An object in the bucket, rewritten while it is held.

    Parameters
    ----------
    blobs
        The place in the bucket.
    clock
        Monotonic seconds.
    """

    outlives = LEASE_REST_EXPIRY

    def __init__(self, blobs: S3BlobStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._blobs = blobs
        self._clock = clock
        self._holder = uuid.uuid4().hex
        self._renewals = 0
        self._seen: tuple[str | None, float] = ("", 0.0)
        self._held: str | None = None
        self._held_until = 0.0
        self._written_at = 0.0
        self._expiry = LEASE_EXPIRY
        self._used_at = 0.0
        self._renewing: asyncio.Task[None] | None = None

    @override
    async def try_acquire(self) -> bool:
        if self._held is not None and self._clock() < self._held_until:
            return True
        found = await self._blobs.version(LEASE_NAME)
        if found != self._seen[0]:
            self._seen = (found, self._clock())
        if not await self._is_free():
            return False
        self._used_at = self._clock()
        if not await self._write(found, self._holder):
            return False
        self.term += 1
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())
        return True

    @override
    def check(self) -> None:
        if self._held is None or self._clock() >= self._held_until:
            raise LeaseLostError("another process took over the bucket, or it could not be reached to renew the lease")
        self._used_at = self._clock()

    @override
    async def release(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewing
            self._renewing = None
        if self._held is not None:
            with contextlib.suppress(StorageUnavailableError):
                await self._give_back()
            self._held = None

    async def _give_back(self) -> None:
        # Written, not deleted: a bucket deletes whatever is there, also what another process wrote meanwhile. And not
        # over the version that this process remembers: a renewal that was cut off may have arrived.
        version = await self._blobs.version(LEASE_NAME)
        if version is not None and (await self._read())[0] == self._holder:
            await self._write(version, NOBODY)

    async def _is_free(self) -> bool:
        """Whether nobody holds the lease any more: it has gone, was given back, stood unchanged for as long as it says,
        or names this process, since a write whose answer got lost may have arrived.
        """
        version, seen_at = self._seen
        # What is read may be newer than what was seen; then the write, on what was seen, is refused.
        holder, expiry = (None, 0.0) if version is None else await self._read()
        return holder in (None, self._holder, NOBODY) or self._clock() - seen_at >= expiry

    async def _read(self) -> tuple[str | None, float]:
        """Who holds the lease, and the seconds for which it must stand unchanged before another may."""
        data = await self._blobs.get(LEASE_NAME)
        if data is None:
            return None, 0.0
        body = json.loads(data)
        # Releases before this object told its expiry rewrote it every three seconds.
        return str(body["holder"]), float(body.get("expiry", LEASE_EXPIRY.total_seconds()))

    async def _write(self, version: str | None, holder: str) -> bool:
        started = self._clock()
        self._renewals += 1
        expiry = LEASE_REST_EXPIRY if self._is_resting() else LEASE_EXPIRY
        # The body changes each time, since a bucket's entity tag is made of it, and keeps its length, since the
        # store's size must not change while nothing happens.
        seconds = f"{expiry.total_seconds():05.1f}"
        body = {"holder": holder, "expiry": seconds, "renewals": f"{self._renewals:012d}"}
        # The holder stops a renewal before others begin; and what is written may arrive although its answer does not.
        until = started + (expiry - LEASE_RENEWAL).total_seconds()
        self._held_until = min(self._held_until, until)
        self._held = await self._blobs.put_if(LEASE_NAME, json.dumps(body).encode(), version)
        self._written_at, self._expiry, self._held_until = started, expiry, until
        return self._held is not None

    async def _renew(self) -> None:
        while self._held is not None:
            await asyncio.sleep(LEASE_RENEWAL.total_seconds())
            if not self._is_due():
                continue
            # A bucket that does not answer now may do so before the lease runs out; then `check` says so.
            with contextlib.suppress(StorageUnavailableError):
                await self._write(self._held, self._holder)

    def _is_resting(self) -> bool:
        """Whether nothing has been written for a while."""
        return self._clock() - self._used_at >= LEASE_REST.total_seconds()

    def _is_due(self) -> bool:
        """Whether the lease is to be renewed now: always while there is work, and when that ends or begins."""
        if not self._is_resting() or self._expiry != LEASE_REST_EXPIRY:
            return True
        return self._clock() - self._written_at >= LEASE_REST.total_seconds()

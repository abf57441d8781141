"""Who may write the tables: one process at a time.

On a volume a file lock says who writes; it goes with the process. In a bucket it is an object that the holder keeps
rewriting: whoever sees it unchanged for long enough, by its own clock, takes over with a conditional PUT. No clock is
compared with another machine's. A holder that stood still meanwhile may go on with a commit that it began before; so
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
from pathlib import Path
from typing import IO

from typing_extensions import override

from simplemem_service.constants import LEASE_EXPIRY, LEASE_RENEWAL
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

    def __init__(self, blobs: S3BlobStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._blobs = blobs
        self._clock = clock
        self._holder = uuid.uuid4().hex
        self._renewals = 0
        self._seen: tuple[str | None, float] = ("", 0.0)
        self._held: str | None = None
        self._held_until = 0.0
        self._renewing: asyncio.Task[None] | None = None

    @override
    async def try_acquire(self) -> bool:
        if self._held is not None and self._clock() < self._held_until:
            return True
        found = await self._blobs.version(LEASE_NAME)
        if found != self._seen[0]:
            self._seen = (found, self._clock())
        is_over = found is None or self._clock() - self._seen[1] >= LEASE_EXPIRY.total_seconds()
        if not (is_over or await self._is_free()) or not await self._write(found, self._holder):
            return False
        self.term += 1
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())
        return True

    @override
    def check(self) -> None:
        if self._held is None or self._clock() >= self._held_until:
            raise LeaseLostError("another process took over the bucket, or it could not be reached to renew the lease")

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
        if version is not None and await self._read_holder() == self._holder:
            await self._write(version, NOBODY)

    async def _is_free(self) -> bool:
        """Whether the lease was given back, or names this process: a write whose answer got lost may have arrived."""
        return await self._read_holder() in (self._holder, NOBODY)

    async def _read_holder(self) -> str | None:
        body = await self._blobs.get(LEASE_NAME)
        return None if body is None else str(json.loads(body).get("holder"))

    async def _write(self, version: str | None, holder: str) -> bool:
        started = self._clock()
        self._renewals += 1
        # The body changes each time, since a bucket's entity tag is made of it, and keeps its length, since the
        # store's size must not change while nothing happens.
        body = {"holder": holder, "renewals": f"{self._renewals:012d}"}
        self._held = await self._blobs.put_if(LEASE_NAME, json.dumps(body).encode(), version)
        # Two renewals before the expiry that others wait for, so the holder stops before they begin.
        self._held_until = started + (LEASE_EXPIRY - LEASE_RENEWAL).total_seconds()
        return self._held is not None

    async def _renew(self) -> None:
        while self._held is not None:
            await asyncio.sleep(LEASE_RENEWAL.total_seconds())
            # A bucket that does not answer now may do so before the lease runs out; then `check` says so.
            with contextlib.suppress(StorageUnavailableError):
                await self._write(self._held, self._holder)

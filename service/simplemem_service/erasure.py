"""Removes what a deleted store left in its bucket: what the operator's Job runs under `deletionPolicy: Delete`.

Only names that a store itself writes are removed, and only below its own prefix. Whatever else lies there, such as the
store of a prefix within this one, stays and is counted. A process that still writes the store keeps it: the writer's
lease is taken first. Cut off at any point, the next run goes on.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from simplemem_api.resolved import ResolvedS3, ResolvedStore, StorageKind
from simplemem_api.storage_spec import DeletionPolicy
from simplemem_service import canary, usage
from simplemem_service.backup import records
from simplemem_service.cache import scope
from simplemem_service.constants import LEASE_EXPIRY, LEASE_POLL
from simplemem_service.errors import ConfigError, ConflictError, StorageUnavailableError
from simplemem_service.ingest import journal, receipts, reembed_jobs, synthesizer, used_days
from simplemem_service.llm import cache, ledger
from simplemem_service.storage import bells, identity, lease, s3_blobs

OWN = frozenset(
    name.split("/", 1)[0]
    for name in (
        "tables",
        identity.IDENTITY_NAME,
        identity.GENERATIONS,
        identity.RESTORING,
        lease.LEASE_NAME,
        s3_blobs.PROBES,
        bells.JOURNAL_BELL,
        bells.TABLES_BELL,
        journal.OPEN,
        receipts.OPEN,
        reembed_jobs.OPEN,
        synthesizer.CURSORS,
        used_days.FOLDER,
        records.FOLDER,
        scope.ID_NAME,
        cache.FOLDER,
        ledger.FOLDER,
        usage.FOLDER,
        canary.FOLDER,
    )
)
"""First parts of all names that a store writes."""
REMOVED_AT_ONCE = 16
"""Objects removed at the same time; one request each, since not every server knows removals of many."""
ROUNDS = 5
"""How often is looked again for what came meanwhile, such as from a request that was still on its way."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What a run did."""

    removed: int
    """Objects that are gone."""
    left: tuple[str, ...]
    """Names below the prefix that no store writes; they stay."""


def place_to_erase(store: ResolvedStore) -> ResolvedS3:
    """The place of a store's data that may be removed.

    Raises `ConfigError` unless the store lies in a bucket, below a prefix, and its policy is Delete.
    """
    where = f"MemoryStore {store.namespace}/{store.name}"
    s3 = store.storage.s3
    if store.storage.kind is not StorageKind.S3 or s3 is None:
        raise ConfigError(f"{where}: its data is not in a bucket; spec.storage.s3 must name one")
    if store.storage.deletion_policy is not DeletionPolicy.DELETE:
        raise ConfigError(f"{where}: spec.storage.deletionPolicy is {store.storage.deletion_policy}; it must be Delete")
    parts = s3.prefix.split("/")
    if not all(parts) or {".", ".."} & set(parts):
        raise ConfigError(f"{where}: the prefix is '{s3.prefix}'; it must name a folder, so that no bucket is emptied")
    return s3


class Eraser:
    """Removes one store.

    Parameters
    ----------
    s3
        The place, as `place_to_erase` gives it.
    """

    def __init__(self, s3: ResolvedS3) -> None:
        self._s3 = s3
        self._store: S3Store = s3_blobs.create_s3_store(s3)
        self._lease = lease.BucketLease(s3_blobs.S3BlobStore(s3))

    async def erase(self) -> Erased:
        """Remove the store; a bucket that is not there holds nothing.

        Raises `ConflictError` while a process writes the store, `StorageUnavailableError` if the bucket refuses.
        """
        if await self._names() is None:
            return Erased(0, ())
        await self._acquire()
        removed: set[str] = set()
        try:
            for _ in range(ROUNDS):
                names = [name for name in await self._names() or () if _is_own(name) and name != lease.LEASE_NAME]
                if not names:
                    break
                await self._remove(names)
                removed.update(names)
        finally:
            await self._lease.release()
        await self._remove([lease.LEASE_NAME])
        rest = await self._names() or []
        if late := [name for name in rest if _is_own(name)]:
            raise ConflictError(
                f"{self.url}: {len(late)} objects came anew while it was emptied; is a pod still alive?"
            )
        return Erased(len(removed), tuple(rest))

    @property
    def url(self) -> str:
        """Address of the place, for people."""
        return f"s3://{self._s3.bucket}/{self._s3.prefix}"

    async def _acquire(self) -> None:
        deadline = time.monotonic() + (self._lease.outlives + LEASE_EXPIRY).total_seconds()
        while not await self._lease.try_acquire():
            if time.monotonic() > deadline:
                raise ConflictError(f"{self.url}: a process writes this store; nothing was removed")
            await asyncio.sleep(LEASE_POLL.total_seconds())

    async def _names(self) -> list[str] | None:
        """All names below the prefix; None where there is no such bucket."""
        found: list[str] = []
        try:
            async for chunk in obstore.list(self._store):
                found += [item["path"] for item in chunk]
        except (BaseError, OSError) as error:
            if "NoSuchBucket" in str(error):
                return None
            raise self._unavailable(error) from error
        return found

    async def _remove(self, names: list[str]) -> None:
        for start in range(0, len(names), REMOVED_AT_ONCE):
            chunk = names[start : start + REMOVED_AT_ONCE]
            if chunk != [lease.LEASE_NAME]:
                self._lease.check()
            try:
                await asyncio.gather(*(obstore.delete_async(self._store, name) for name in chunk))
            except FileNotFoundError:
                # Somebody else was faster.
                continue
            except (BaseError, OSError) as error:
                raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> StorageUnavailableError:
        words = str(error).split("\n", 1)[0][: s3_blobs.SHOWN_CHARS]
        return StorageUnavailableError(f"{self.url}: the bucket refuses: {words}")


def _is_own(name: str) -> bool:
    return name.split("/", 1)[0] in OWN

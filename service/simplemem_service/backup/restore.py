"""Brings a copy back into an empty store.

The copy is read and checked as a whole first. While it is being applied, a marker stands in the store, and no pod opens
one that has it; so a restore that is cut off is seen by nobody, and the next one begins anew. The store's versions go
on behind those of the copy: indices and caches of before, which may outlive the data, are never taken for up to date.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

from simplemem_service.backup.contents import WITHOUT
from simplemem_service.backup.copies import list_copies
from simplemem_service.backup.copy import Report, read_file, verify
from simplemem_service.backup.manifest import Manifest
from simplemem_service.backup.place import CopyPlace
from simplemem_service.backup.small_files import unpack
from simplemem_service.backup.table_files import read_rows
from simplemem_service.constants import LEASE_EXPIRY, LEASE_POLL
from simplemem_service.errors import BackupError, ConflictError, NotFoundError, ServiceError
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.identity import GENERATIONS, IDENTITY_NAME, RESTORING, parse_identity
from simplemem_service.storage.lance_raw import RawTables
from simplemem_service.storage.lease import LEASE_NAME, Lease

WRITTEN_AT_ONCE = 16
"""Small files written at the same time."""
KEPT_BY_PLACE = frozenset({"tables", "tmp", "probe", LEASE_NAME, RESTORING})
"""Top names that are no content: the tables are dropped by name, the rest belongs to whoever works here now."""
JOURNAL = "journal/"
"""Where acknowledged turns lie that are in no table yet."""


class Restorer:
    """Restores one store.

    Parameters
    ----------
    place
        Where the copies lie.
    blobs, tables
        The store.
    lease
        The right to write it.
    report
        Is told how far it is.
    """

    def __init__(self, place: CopyPlace, blobs: BlobStore, tables: RawTables, lease: Lease, report: Report) -> None:
        self._place = place
        self._blobs = blobs
        self._tables = tables
        self._lease = lease
        self._report = report

    async def choose(self, copy_id: str | None) -> Manifest:
        """A copy by its id, or the newest one.

        Raises `NotFoundError` if there is none, `ConflictError` if several stores have copies here and none is named.
        """
        copies = [copy for copy in await list_copies(self._place) if copy_id in (None, copy.copy_id)]
        if not copies:
            named = f"copy '{copy_id}' at" if copy_id else "copy at"
            raise NotFoundError(f"there is no complete {named} {self._place.url()}; `--list` shows what there is")
        stores = sorted({copy.store for copy in copies})
        if len(stores) > 1:
            raise ConflictError(f"copies of {', '.join(stores)} lie at {self._place.url()}; name one by its id")
        return copies[-1]

    async def restore(self, copy: Manifest) -> None:
        """Bring a copy back.

        Raises `ConflictError` if the store is not empty or in use, `BackupError` if the copy is damaged or the store
        holds anything else than it afterwards.
        """
        await self._refuse_content()
        await verify(self._place, copy, self._report, reads=True)
        async with self._writing():
            await self._claim(copy)
            await self._apply(copy)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        deadline = time.monotonic() + (self._lease.outlives + LEASE_EXPIRY).total_seconds()
        # A lease in a bucket outlives a process that was killed by some seconds; a volume's does not.
        while not await self._lease.try_acquire():
            if time.monotonic() > deadline:
                raise ConflictError("a process writes this store; stop it first (in a cluster: spec.suspend: true)")
            await asyncio.sleep(LEASE_POLL.total_seconds())
        try:
            yield
        finally:
            with contextlib.suppress(ServiceError):
                await self._lease.release()

    async def _refuse_content(self) -> None:
        """Raise `ConflictError` if the store holds anything but what a restore that was cut off left."""
        if await self._blobs.get(RESTORING) is not None:
            return
        counts = {name: rows for name, rows in (await self._tables.count_rows()).items() if rows}
        waiting = [name for name in await self._names() if name.startswith(JOURNAL)]
        if counts or waiting:
            held = [f"{rows} {name}" for name, rows in counts.items()]
            held += [f"{len(waiting)} files in its journal"] if waiting else []
            raise ConflictError(f"the store is not empty: it holds {', '.join(held)}; restore into an empty one")

    async def _claim(self, copy: Manifest) -> None:
        """Mark the store and empty it of what a first start, or a restore that was cut off, left."""
        await self._refuse_content()
        await self._blobs.put_new(RESTORING, json.dumps({"copy": copy.copy_id}).encode())
        await self._tables.drop_all()
        await self._each(await self._names(), self._blobs.delete)

    async def _names(self) -> list[str]:
        return await self._blobs.list_all(without=KEPT_BY_PLACE)

    async def _apply(self, copy: Manifest) -> None:
        identities: dict[str, bytes] = {}
        done, total = 0, copy.size_bytes
        for table in copy.tables:
            done = await self._bring_table(copy, table.name, done, is_followed=table.is_followed)
        for file in (one for one in copy.files if one.name.startswith("files/")):
            data = await read_file(self._place, copy.copy_id, file)
            held = await asyncio.to_thread(_unpacked, data, file.name)
            identities |= {name: found for name, found in held.items() if _is_identity(name)}
            files = {name: found for name, found in held.items() if _is_content(name) and not _is_identity(name)}
            await self._write(files)
            done += file.size
            self._report("restoring", done, total)
        await self._check_rows(copy)
        await self._write(_moved_on(identities, copy))
        await self._blobs.sync()
        self._lease.check()
        # From here on pods open the store.
        await self._blobs.delete(RESTORING)
        await self._blobs.sync()

    async def _bring_table(self, copy: Manifest, name: str, done: int, *, is_followed: bool) -> int:
        is_there = False
        for file in (one for one in copy.files if one.name.rsplit("-", 1)[0] == f"tables/{name}"):
            rows = read_rows(await read_file(self._place, copy.copy_id, file), file.name)
            if not is_there:
                await self._tables.create(name, rows.schema, is_followed=is_followed)
                is_there = True
            self._lease.check()
            if rows.num_rows:
                await self._tables.add(name, rows)
            done += file.size
            self._report("restoring", done, copy.size_bytes)
        return done

    async def _check_rows(self, copy: Manifest) -> None:
        found = await self._tables.count_rows()
        for table in copy.tables:
            if found.get(table.name) != table.rows:
                told = f"table '{table.name}' holds {found.get(table.name, 0)} rows, the copy has {table.rows}"
                raise BackupError(f"{told}; the store stays closed, restore again")

    async def _write(self, files: dict[str, bytes]) -> None:
        await self._each(list(files), lambda name: self._blobs.put_new(name, files[name]))

    async def _each(self, names: list[str], call: Callable[[str], Awaitable[object]]) -> None:
        for start in range(0, len(names), WRITTEN_AT_ONCE):
            self._lease.check()
            await asyncio.gather(*(call(name) for name in names[start : start + WRITTEN_AT_ONCE]))


def _unpacked(data: bytes, where: str) -> dict[str, bytes]:
    return dict(unpack(data, where))


def _is_identity(name: str) -> bool:
    return name == IDENTITY_NAME or name.startswith(f"{GENERATIONS}/")


def _is_content(name: str) -> bool:
    return name.split("/", 1)[0] not in WITHOUT


def _moved_on(identities: dict[str, bytes], copy: Manifest) -> dict[str, bytes]:
    """The identities of a store, of which the latest has versions behind those of the copy."""
    generations = sorted(name for name in identities if name != IDENTITY_NAME)
    if not identities:
        raise BackupError(f"copy '{copy.copy_id}' holds no identity of its store")
    last = generations[-1] if generations else IDENTITY_NAME
    generation = int(last.split("/")[1].removesuffix(".json")) if generations else 0
    identity = replace(parse_identity(identities[last], generation), base=copy.version + 1, synced=0)
    return identities | {last: json.dumps(asdict(identity)).encode()}

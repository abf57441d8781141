"""Makes one copy: small files, a moment at which the writer pauses, the rows of that moment, verification.

While the writer pauses, only what waits in the journal is read, and the versions of the tables are noted; rows are read
from those versions later, and the writer drops none of them before the copy ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simplemem_service.backup.contents import count_waiting, list_early, list_pinned
from simplemem_service.backup.manifest import (
    BEGUN,
    MANIFEST,
    CopiedFile,
    CopiedTable,
    Manifest,
    encode_manifest,
)
from simplemem_service.backup.place import CopyPlace
from simplemem_service.backup.small_files import Archive, Packer
from simplemem_service.backup.table_files import TableReader
from simplemem_service.errors import BackupError
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.lance import LanceStorage

logger = logging.getLogger(__name__)

READ_AT_ONCE = 16
"""Small files read at the same time."""
VERIFIED_AT_ONCE = 2
"""Files of the copy read back at the same time; they are in memory meanwhile."""

Report = Callable[[str, int, int], None]
"""Is told the phase, what is done in it and how much that is in all."""


@dataclass(slots=True)
class Pinned:
    """A moment of the store."""

    at: datetime
    """When it was."""
    tables: dict[str, Any]
    """Each table at its version, as a Lance dataset, by the name that it is restored under."""
    followed: frozenset[str]
    """Those whose changes are tailed."""
    version: int
    """Version of the entries, as the API counts it."""
    pending_turns: int
    """Turns in the segments that wait."""
    archives: list[Archive] = field(default_factory=list)
    """Small files of the moment."""


class Copy:
    """One copy.

    Parameters
    ----------
    copy_id
        Its id.
    store
        Whose it is: `namespace/name`.
    storage, blobs
        What is copied.
    place
        Where it goes.
    report
        Is told how far it is.
    clock
        The present time, aware.
    """

    def __init__(
        self,
        copy_id: str,
        store: str,
        storage: LanceStorage,
        blobs: BlobStore,
        place: CopyPlace,
        *,
        report: Report,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._id = copy_id
        self._store = store
        self._storage = storage
        self._blobs = blobs
        self._place = place
        self._report = report
        self._clock = clock
        self._began = clock()
        self._early: set[str] = set()
        self._files: list[CopiedFile] = []
        self._archives = 0

    async def begin(self) -> None:
        """Copy what may be read before the writer pauses; the place's first test too."""
        begun = {"store": self._store, "began_at": self._began.isoformat()}
        await self._place.put(f"{self._id}/{BEGUN}", json.dumps(begun).encode(), is_small=True)
        # Imported at its first use, which takes a tenth of a second: not while the writer pauses.
        await asyncio.to_thread(importlib.import_module, "lance")
        names = await list_early(self._blobs)
        packer = Packer()
        for start in range(0, len(names), READ_AT_ONCE):
            chunk = names[start : start + READ_AT_ONCE]
            for archive in await self._pack(packer, chunk):
                await self._put_archive(archive)
            self._report("copying", 0, 0)
        last = packer.finish()
        if last is not None:
            await self._put_archive(last)
        self._early = set(names)

    async def pin(self) -> Pinned:
        """Take down the present moment; for the writer, between two batches."""
        names = await list_pinned(self._blobs, self._early)
        packer = Packer()
        archives: list[Archive] = []
        for start in range(0, len(names), READ_AT_ONCE):
            archives += await self._pack(packer, names[start : start + READ_AT_ONCE])
        last = packer.finish()
        tables = await self._storage.pin()
        return Pinned(
            at=self._clock(),
            tables=tables,
            followed=self._storage.followed,
            version=await self._storage.latest_version(),
            pending_turns=count_waiting(names),
            archives=[*archives, last] if last is not None else archives,
        )

    async def finish(self, pinned: Pinned) -> Manifest:
        """Copy the moment, verify the copy and make it count. Raises `BackupError`."""
        for archive in pinned.archives:
            await self._put_archive(archive)
        tables = await self._put_tables(pinned)
        identity = self._storage.identity
        manifest = Manifest(
            copy_id=self._id,
            store=self._store,
            began_at=self._began.isoformat(),
            consistent_at=pinned.at.isoformat(),
            completed_at=self._clock().isoformat(),
            model=identity.model if identity is not None else "",
            version=pinned.version,
            pending_turns=pinned.pending_turns,
            tables=tuple(tables),
            files=tuple(self._files),
        )
        await verify(self._place, manifest, self._report, reads=self._place.can_read_back)
        data = encode_manifest(manifest)
        await self._place.put(f"{self._id}/{MANIFEST}", data, is_small=True)
        if await self._place.get(f"{self._id}/{MANIFEST}") != data:
            raise BackupError(f"'{MANIFEST}' of copy '{self._id}' reads otherwise than it was written")
        return manifest

    async def _pack(self, packer: Packer, names: Sequence[str]) -> list[Archive]:
        read = await asyncio.gather(*(self._blobs.get(name) for name in names))
        full: list[Archive] = []
        for name, data in zip(names, read, strict=True):
            # What has gone since was swept away; nobody needs it.
            archive = None if data is None else await asyncio.to_thread(packer.add, name, data)
            if archive is not None:
                full.append(archive)
        return full

    async def _put_archive(self, archive: Archive) -> None:
        name = f"files/{self._archives:05}.tar.gz"
        self._archives += 1
        await self._put(name, await asyncio.to_thread(archive.read), archive.files)

    async def _put_tables(self, pinned: Pinned) -> list[CopiedTable]:
        readers = {name: TableReader(dataset) for name, dataset in pinned.tables.items()}
        counts = {name: await asyncio.to_thread(reader.count) for name, reader in readers.items()}
        total, done = sum(counts.values()), 0
        tables: list[CopiedTable] = []
        for name, reader in readers.items():
            rows = number = 0
            while (found := await asyncio.to_thread(reader.next_file)) is not None:
                data, held = found
                await self._put(f"tables/{name}-{number:05}.arrow", data, held)
                rows, number, done = rows + held, number + 1, done + held
                self._report("copying", done, total)
            if rows != counts[name]:
                raise BackupError(f"table '{name}' gave {rows} rows, its version counts {counts[name]}")
            version = int(pinned.tables[name].version)
            tables.append(CopiedTable(name, rows, version, is_followed=name in pinned.followed))
        return tables

    async def _put(self, name: str, data: bytes, holds: int) -> None:
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        await self._place.put(f"{self._id}/{name}", data)
        self._files.append(CopiedFile(name, len(data), digest, holds))


async def verify(place: CopyPlace, manifest: Manifest, report: Report, *, reads: bool) -> None:
    """Compare what lies in the place with a manifest: names and sizes, and with `reads` every byte.

    Raises `BackupError`, which names what is missing or damaged.
    """
    sizes = await place.sizes(manifest.copy_id)
    for file in manifest.files:
        if sizes.get(file.name) != file.size:
            found = f"{sizes[file.name]} bytes" if file.name in sizes else "missing"
            raise BackupError(f"copy '{manifest.copy_id}': '{file.name}' is {found}; it must have {file.size} bytes")
    done = 0
    for start in range(0, len(manifest.files) if reads else 0, VERIFIED_AT_ONCE):
        chunk = manifest.files[start : start + VERIFIED_AT_ONCE]
        await asyncio.gather(*(read_file(place, manifest.copy_id, file) for file in chunk))
        done += sum(file.size for file in chunk)
        report("verifying", done, manifest.size_bytes)


async def read_file(place: CopyPlace, copy_id: str, file: CopiedFile) -> bytes:
    """A file of a copy. Raises `BackupError` if it is missing or does not match its checksum."""
    data = await place.get(f"{copy_id}/{file.name}")
    if data is None:
        raise BackupError(f"copy '{copy_id}': '{file.name}' is missing")
    found = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
    if found != file.sha256:
        raise BackupError(f"copy '{copy_id}': '{file.name}' is damaged: its SHA-256 is {found}, not {file.sha256}")
    return data

"""The same store on LanceDB Cloud: the tables lie with the vendor, reached by its REST API; the journal and the small
files lie where `blobs` says.

What the API lacks (lancedb 0.40): options of a table, so no stable row ids (`cloud_changes.py` follows without them);
`optimize`, so the vendor alone compacts, takes new rows into the indices and drops versions; and the files themselves,
so nothing is pinned for a copy and removed bytes go when the vendor drops the versions that hold them.

Two writers are kept apart by the lease beside the journal, as elsewhere. Who takes over restores each table to its
latest version, at which a merge that the server still works on fails. That is weaker than where this process commits
itself: a request that a paused writer sends only afterwards begins after that, and counts. On a volume there is none,
since the paused process holds its lock; in a bucket the lease is looked at before every batch. Rows that come so are
followed, as their number differs from what followers expect; a rewriting that comes so may be seen only when they read
the table anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import lancedb
import pyarrow as pa
from lancedb.remote import ClientConfig, RetryConfig, TimeoutConfig
from typing_extensions import override

from simplemem_service.constants import SIZE_INTERVAL_FACTOR
from simplemem_service.errors import StorageUnavailableError
from simplemem_service.models.entry import EmbeddedEntry
from simplemem_service.storage import schema
from simplemem_service.storage.base import Changes, PurgeMark, StoreIdentity
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.cloud_changes import WRITTEN, CloudChanges, highest
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.lance_edits import ALL_TABLES, ENTRIES
from simplemem_service.storage.lance_errors import converted

CONNECT_TIMEOUT = timedelta(seconds=10)
"""For a connection to the vendor; LanceDB's own two minutes would hide an outage for as long."""
READ_TIMEOUT = timedelta(seconds=60)
"""For an answer; a merge of a batch takes seconds."""
REPEATED_STATUSES = [429, 500, 502, 503, 504]
"""Answers after which a request is repeated. LanceDB's own list has 409 as well: a merge given up because another
process took over would then be begun anew, and count."""
MEASURE_INTERVAL_SECONDS = 60.0
"""Between two questions for the tables' size, of one request each."""


@dataclass(frozen=True, slots=True)
class CloudPlace:
    """Which database, and how to reach it."""

    uri: str
    """Address of the database: `db://name`."""
    region: str
    """Region of the database."""
    api_key: str = field(repr=False)
    """What the vendor knows us by."""
    host: str | None = None
    """Address of a server that speaks the API; None: the vendor's for the region."""
    prefix: str = ""
    """Begins the names of the tables, so that stores share a database."""

    def options(self) -> dict[str, Any]:
        """What LanceDB connects with, beside the address."""
        return {
            "api_key": self.api_key,
            "region": self.region,
            "host_override": self.host,
            "client_config": ClientConfig(
                retry_config=RetryConfig(statuses=REPEATED_STATUSES),
                timeout_config=TimeoutConfig(connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT),
            ),
        }


class CloudStorage(LanceStorage):
    """The store on LanceDB Cloud.

    Parameters
    ----------
    place
        The database.
    blobs
        Where the identity is recorded.
    writes
        Whether this process creates missing tables; where another does, they count as empty until they appear.
    """

    def __init__(self, place: CloudPlace, blobs: BlobStore, *, writes: bool) -> None:
        super().__init__(place.uri, {}, blobs, writes=writes)
        self._place = place
        self._connections: dict[str, Any] = {}
        self._changes = CloudChanges(self._open_at)
        self._turn = asyncio.Lock()
        self._written: int | None = None

    @override
    async def _connect(self) -> Any:
        return await lancedb.connect_async(self._place.uri, **self._place.options())

    @override
    async def _connection_for(self, purpose: str) -> Any:
        # Handles of one connection share the version that they stand at.
        if purpose not in self._connections:
            self._connections[purpose] = await self._connect()
        return self._connections[purpose]

    def _open_at(self, version: int) -> Any:
        connection = lancedb.connect(self._place.uri, **self._place.options())
        table = connection.open_table(self._physical(ENTRIES))
        table.checkout(version)
        return table

    @override
    def _physical(self, name: str) -> str:
        return self._place.prefix + super()._physical(name)

    @override
    def _entry_schema(self, identity: StoreIdentity) -> pa.Schema:
        return super()._entry_schema(identity).append(pa.field(WRITTEN, pa.int64(), nullable=False))

    @override
    def _check_format(self, metadata: Mapping[bytes, bytes], identity: StoreIdentity) -> None:
        # Whether a server gives back a table's metadata is up to it; the record beside the journal tells as well.
        if metadata:
            super()._check_format(metadata, identity)

    @override
    async def _add_missing_columns(self) -> None:
        table = await self._table(ENTRIES, "write")
        missing = schema.missing_fields(await table.schema())
        if missing:
            # The API takes expressions only; all such columns are texts.
            await table.add_columns({column.name: "CAST(NULL AS string)" for column in missing})

    @override
    async def add_entries(self, entries: Sequence[EmbeddedEntry]) -> int:
        # Numbers of commits must come in the order of the commits.
        async with self._turn:
            return await super().add_entries(entries)

    @override
    async def update_entries(self, entries: Sequence[EmbeddedEntry]) -> int:
        async with self._turn:
            return await super().update_entries(entries)

    @override
    async def _entry_rows(self, entries: Sequence[EmbeddedEntry], table: Any) -> pa.Table:
        columns = await table.schema()
        if self._written is None:
            self._written = await highest(table, WRITTEN)
        self._written += 1
        rows = schema.entries_to_arrow(entries, columns.remove(columns.get_field_index(WRITTEN)))
        numbers = pa.array([self._written] * len(entries), pa.int64())
        return rows.append_column(columns.field(WRITTEN), numbers).select(columns.names)

    @override
    async def fence(self) -> None:
        await super().fence()
        self._written = None

    @override
    async def maintain(self) -> None:
        async with converted():
            for name, upkeep in self._upkeep.items():
                await upkeep.index(await self._table(name, "write"))

    @override
    async def read_changes(self, since: int | None) -> Changes:
        async with converted():
            table = await self._table(ENTRIES, "follow")
            if table is None:
                return Changes(version=0, upserted=(), deleted=(), is_complete=True)
            return await self._changes.read(table, since)

    @override
    async def pin(self) -> dict[str, Any]:
        raise StorageUnavailableError("tables on LanceDB Cloud cannot be copied file by file; the vendor keeps copies")

    @override
    async def purge(self, *, drops_indices: bool) -> PurgeMark:
        async with converted():
            return {
                self._physical(name): int(await (await self._table(name, "write")).version()) for name in ALL_TABLES
            }

    @override
    async def _measure_size(self) -> int:
        started = time.monotonic()
        if started >= self._measure_after:
            async with converted():
                tables = [await self._table(name, "read") for name in ALL_TABLES]
                sizes = [(await table.stats())["total_bytes"] for table in tables if table is not None]
            self._size_bytes = await self._blobs.size_bytes() + sum(sizes)
            spent = time.monotonic() - started
            self._measure_after = started + max(MEASURE_INTERVAL_SECONDS, SIZE_INTERVAL_FACTOR * spent)
        return self._size_bytes

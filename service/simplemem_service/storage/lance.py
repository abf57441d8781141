"""Entries and turns in two LanceDB tables, on a local disk or in a bucket.

The tables are created with a primary key and the entries with stable row ids, which cannot be added later: the key
makes two concurrent merges of the same row conflict instead of duplicating it, the ids make it possible to tail
changes by version.
Three handles: the writer's, one for questions of the API, and one that only the follower moves from version to
version, so that a whole look at the changes sees a single one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import lancedb
import pyarrow as pa
from lancedb.query import ColumnOrdering
from typing_extensions import override

from simplemem_service.constants import SIZE_INTERVAL_FACTOR
from simplemem_service.errors import IdentityMismatchError, StorageUnavailableError
from simplemem_service.models.entry import EmbeddedEntry, Entry, Turn
from simplemem_service.models.query import EntryFilter
from simplemem_service.storage import filters, history_schema, schema
from simplemem_service.storage.base import Changes, StoreCounts, StoreIdentity
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.fence import fence
from simplemem_service.storage.identity import confirm_identity, read_identity
from simplemem_service.storage.lance_changes import read_changes
from simplemem_service.storage.lance_edits import ALL_TABLES, ENTRIES, HISTORY, KEYS_AT_ONCE, TURNS, LanceEdits
from simplemem_service.storage.lance_errors import converted
from simplemem_service.storage.lance_sides import FOLLOWED_TABLE, SideTables
from simplemem_service.storage.maintenance import ENTRY_INDICES, HISTORY_INDICES, TURN_INDICES, Upkeep
from simplemem_service.storage.reserved import OWN, without_own


class LanceStorage(LanceEdits):
    """The store on LanceDB.

    Parameters
    ----------
    uri
        Folder of the tables: a path, or ``s3://bucket/prefix``.
    options
        LanceDB's storage options (region, endpoint); credentials come from the environment.
    blobs
        Where the identity is recorded.
    writes
        Whether this process creates missing tables; where another does, they count as empty until they appear.
    """

    def __init__(self, uri: str, options: Mapping[str, str], blobs: BlobStore, *, writes: bool) -> None:
        self._uri = uri
        self._is_bucket = "://" in uri
        self._options = dict(options)
        self._blobs = blobs
        self._writes = writes
        self.sides = SideTables()
        self._identity: StoreIdentity | None = None
        self._connection: Any = None
        self._handles: dict[tuple[str, str], Any] = {}
        self._upkeep = {
            ENTRIES: Upkeep(ENTRY_INDICES),
            TURNS: Upkeep(TURN_INDICES),
            HISTORY: Upkeep(HISTORY_INDICES),
        }
        self._rows_at: dict[int, int] = {}
        self._size_bytes = 0
        self._measure_after = 0.0

    @override
    async def open(self, identity: StoreIdentity) -> None:
        await confirm_identity(self._blobs, identity)
        self._identity = identity
        async with converted():
            self._connection = await self._connect()
            self.sides.connect(self._connection)
            if self._writes:
                await self.sides.refresh(identity.table)
                await self._create(ENTRIES, self._entry_schema(identity), FOLLOWED_TABLE)
                await self._create(TURNS, schema.turn_schema(), {})
                await self._create(HISTORY, history_schema.history_schema(), {})
                await self._add_missing_columns()
            table = await self._table(ENTRIES, "read")
            if table is not None:
                self._check_format((await table.schema()).metadata or {}, identity)

    async def _connect(self) -> Any:
        """A connection of LanceDB's to the folder of the tables."""
        return await lancedb.connect_async(self._uri, storage_options=self._options or None)

    async def _connection_for(self, _purpose: str) -> Any:
        """The connection that handles for a purpose are opened by."""
        return self._connection

    def _entry_schema(self, identity: StoreIdentity) -> pa.Schema:
        """Columns that the table of entries is created with."""
        return schema.entry_schema(identity)

    def _check_format(self, metadata: Mapping[bytes, bytes], identity: StoreIdentity) -> None:
        """Return if a table's metadata are those of an identity, else raise `IdentityMismatchError`."""
        _check_format(metadata, identity)

    @override
    async def close(self) -> None:
        for table in self._handles.values():
            table.close()
        self.sides.close()
        self._handles.clear()

    @override
    async def known_turns(self, keys: Sequence[str]) -> frozenset[str]:
        found: set[str] = set()
        async with converted():
            table = await self._latest(TURNS)
            for start in range(0, len(keys) if table is not None else 0, KEYS_AT_ONCE):
                chunk = filters.any_of("key", keys[start : start + KEYS_AT_ONCE])
                rows = await table.query().where(chunk).select(["key"]).to_arrow()
                found.update(rows.column("key").to_pylist())
        return frozenset(found)

    @override
    async def add_turns(self, turns: Sequence[Turn]) -> None:
        if turns:
            async with converted():
                await self._merge(TURNS, "key", schema.turns_to_arrow(turns))

    @override
    async def add_entries(self, entries: Sequence[EmbeddedEntry]) -> int:
        async with converted():
            table = await self._table(ENTRIES, "write")
            if not entries:
                return await self._version(table)
            await self._merge(ENTRIES, "entry_id", await self._entry_rows(entries, table))
            return await self._version(table)

    @override
    async def fence(self) -> None:
        if not self._is_bucket:
            # The lock on a volume goes with its process, and with it all that was on its way.
            return
        await self._check_generation()
        async with converted():
            for name in ALL_TABLES:
                await fence(await self._table(name, "write"))
            async with self.sides.lock:
                for table in self.sides.tables.values():
                    await fence(table)

    async def _check_generation(self) -> None:
        identity = await read_identity(self._blobs)
        if self._identity is not None and identity is not None and identity.generation != self._identity.generation:
            raise StorageUnavailableError("the store has gone over to other vectors; it is being opened again")

    @override
    async def maintain(self) -> None:
        # The fence goes with the old versions, so a later one must be there before: a writer may be paused for hours.
        await self.fence()
        async with converted():
            for name, upkeep in self._upkeep.items():
                await upkeep.run(await self._table(name, "write"))

    @override
    async def read_entry(self, entry_id: str) -> Entry | None:
        found = await self._select(filters.equals("entry_id", entry_id), ascending=True, limit=1)
        return found[0] if found else None

    @override
    async def list_entries(self, where: EntryFilter, *, after: int, limit: int) -> list[Entry]:
        predicate = without_own(where.user_id, filters.entry_predicate(where, after=after))
        return await self._select(predicate, ascending=True, limit=limit)

    @override
    async def entries_created_before(self, when: datetime, *, after: int, limit: int) -> list[Entry]:
        predicate = without_own(None, filters.created_before(when, after=after))
        return await self._select(predicate, ascending=True, limit=limit)

    @override
    async def last_entries(self, user_id: str, session_id: str, limit: int) -> list[Entry]:
        predicate = filters.entry_predicate(EntryFilter(user_id=user_id, session_id=session_id))
        return (await self._select(predicate, ascending=False, limit=limit))[::-1]

    @override
    async def next_position(self) -> int:
        last = await self._select("true", ascending=False, limit=1)
        return last[0].position + 1 if last else 0

    @override
    async def read_changes(self, since: int | None) -> Changes:
        async with converted():
            table = await self._table(ENTRIES, "follow")
            if table is None:
                return Changes(version=0, upserted=(), deleted=(), is_complete=True)
            await table.checkout_latest()
            base = self._base
            known = None if since is None or since < base else since - base
            changes = await read_changes(table, known, self._rows_at)
            return replace(changes, version=changes.version + base)

    @override
    async def counts(self) -> StoreCounts:
        async with converted():
            rows = {name: await self._latest(name) for name in (ENTRIES, TURNS)}
            entries, turns = [0 if table is None else await _count_users(table) for table in rows.values()]
        return StoreCounts(entries=entries, turns=turns, size_bytes=await self._measure_size())

    @property
    def identity(self) -> StoreIdentity | None:
        """Which vectors are in use; None before `open`."""
        return self._identity

    async def pin(self) -> dict[str, Any]:
        """Each table at its present version, as a Lance dataset, by its name. No version goes until `unpin`; for the
        writer, between two batches.
        """
        for upkeep in self._upkeep.values():
            upkeep.is_held = True
        async with converted():
            return {self._physical(name): await (await self._table(name, "write")).to_lance() for name in ALL_TABLES}

    def unpin(self) -> None:
        """Let old versions go again."""
        for upkeep in self._upkeep.values():
            upkeep.is_held = False

    @property
    def followed(self) -> frozenset[str]:
        """Names of the tables whose changes are tailed."""
        return frozenset({self._physical(ENTRIES)})

    async def latest_version(self) -> int:
        """Version of the table of entries; for the writer."""
        async with converted():
            return await self._version(await self._table(ENTRIES, "write"))

    async def entries_table(self) -> Any:
        """The handle of the table of entries in use, at its latest version."""
        return await self._latest(ENTRIES)

    async def _measure_size(self) -> int:
        started = time.monotonic()
        if started >= self._measure_after:
            self._size_bytes = await self._blobs.size_bytes()
            self._measure_after = started + SIZE_INTERVAL_FACTOR * (time.monotonic() - started)
        return self._size_bytes

    async def _select(self, predicate: str, *, ascending: bool, limit: int) -> list[Entry]:
        async with converted():
            table = await self._latest(ENTRIES)
            if table is None:
                return []
            order = ColumnOrdering(column_name="position", ascending=ascending, nulls_first=False)
            columns = schema.present_columns(await table.schema())
            query = table.query().where(predicate).select(columns).order_by([order]).limit(limit)
            return schema.plain_entries_from_arrow(await query.to_arrow())

    async def _merge(self, name: str, key: str, rows: pa.Table) -> None:
        table = await self._table(name, "write")
        # Through an index, concurrent merges of the same new key duplicate it (lancedb 0.40).
        merge = table.merge_insert(key).when_not_matched_insert_all().use_index(False)
        await merge.execute(rows)

    async def _create(self, name: str, columns: pa.Schema, options: Mapping[str, str]) -> None:
        if await self._table(name, "write") is None:
            await self._connection.create_table(
                self._physical(name), schema=columns, exist_ok=True, storage_options=dict(options)
            )

    async def _add_missing_columns(self) -> None:
        table = await self._table(ENTRIES, "write")
        missing = schema.missing_fields(await table.schema())
        if missing:
            await table.add_columns(missing)
        turns = await self._table(TURNS, "write")
        if "position" not in (await turns.schema()).names:
            rows = schema.with_turn_columns(await turns.query().to_arrow())
            await self._connection.create_table(TURNS, data=rows, mode="overwrite")
            self._handles.pop((TURNS, "write")).close()

    @override
    def _physical(self, name: str) -> str:
        return self._identity.table if name == ENTRIES and self._identity is not None else name

    @property
    @override
    def _base(self) -> int:
        return self._identity.base if self._identity is not None else 0

    @override
    async def _latest(self, name: str) -> Any:
        table = await self._table(name, "read")
        if table is not None:
            await table.checkout_latest()
        return table

    @override
    async def _table(self, name: str, purpose: str) -> Any:
        """The handle of a table kept for one purpose; None while the table does not exist."""
        handle = self._handles.get((name, purpose))
        if handle is None:
            try:
                connection = await self._connection_for(purpose)
                handle = await connection.open_table(self._physical(name))
            except ValueError as error:
                if "not found" in str(error):
                    return None
                raise
            self._handles[name, purpose] = handle
        return handle


async def _count_users(table: Any) -> int:
    """Rows of users: all but the service's own, which an index finds at once."""
    return int(await table.count_rows()) - int(await table.count_rows(OWN))


def _check_format(metadata: Mapping[bytes, bytes], identity: StoreIdentity) -> None:
    found = metadata.get(schema.FORMAT_KEY, b"")
    if found != schema.FORMAT:
        raise IdentityMismatchError(
            f"the tables have format '{found.decode()}', this version reads '{schema.FORMAT.decode()}'"
        )
    model, dimension = metadata[schema.MODEL_KEY].decode(), int(metadata[schema.DIMENSION_KEY])
    if (model, dimension) != (identity.model, identity.dimension):
        raise IdentityMismatchError(
            f"the tables hold vectors of '{model}' with {dimension} dimensions, expected '{identity.model}' with "
            f"{identity.dimension}"
        )

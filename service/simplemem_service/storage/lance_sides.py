"""Tables of entries beside the one in use: the one that a re-embedding builds, and the one that it left behind.

They hold what people said, as the one in use does. So whatever is removed from that goes from them at the same time,
and nothing is written to them that is not in it: both happen under one lock, and so do their coming and going.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pyarrow as pa

from simplemem_service.storage import schema
from simplemem_service.storage.base import FIRST_TABLE, StoreIdentity
from simplemem_service.storage.lance_errors import converted

FOLLOWED_TABLE = {"new_table_enable_stable_row_ids": "true"}
"""Option of a table whose changes are tailed, for its life. It makes every version's manifest larger (by 60 bytes a
commit so far, lancedb 0.40), so the table of turns goes without."""


class SideTables:
    """The tables of entries that are not in use; of the one writer, but for `count`."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        """Held while rows are removed everywhere, and while rows that must still exist are written here."""
        self.tables: dict[str, Any] = {}
        """Handles by name."""
        self._connection: Any = None

    def connect(self, connection: Any) -> None:
        """Use LanceDB's connection of the store."""
        self._connection = connection

    async def refresh(self, in_use: str) -> None:
        """Find the tables of entries other than the one in use. Takes the lock."""
        async with self.lock:
            names = (await self._connection.list_tables(limit=1_000)).tables
            for name in names:
                if _is_of_entries(name) and name != in_use and name not in self.tables:
                    self.tables[name] = await self._connection.open_table(name)

    async def create(self, identity: StoreIdentity) -> None:
        """An empty table for an identity's vectors, unless it is there; under the lock."""
        if identity.table not in self.tables:
            self.tables[identity.table] = await self._connection.create_table(
                identity.table, schema=schema.entry_schema(identity), exist_ok=True, storage_options=FOLLOWED_TABLE
            )

    async def delete(self, predicate: str) -> None:
        """Remove rows from all of them; under the lock."""
        for table in self.tables.values():
            await table.delete(predicate)

    async def write(self, name: str, rows: pa.Table) -> None:
        """Write or rewrite rows of one of them; under the lock."""
        # Through an index, concurrent merges of the same new key duplicate it (lancedb 0.40).
        merge = self.tables[name].merge_insert("entry_id").when_matched_update_all().when_not_matched_insert_all()
        await merge.use_index(False).execute(rows)

    async def drop(self, kept: Collection[str]) -> list[str]:
        """Drop all but some, with their files; the names of those that went. Takes the lock.

        Raises `StorageUnavailableError` where one cannot be dropped.
        """
        async with converted(), self.lock:
            gone = [name for name in self.tables if name not in kept]
            for name in gone:
                # One that cannot be dropped is kept, so that what is removed goes on going from it.
                await self._connection.drop_table(name, ignore_missing=True)
                self.tables.pop(name).close()
        return gone

    async def count(self, name: str) -> int:
        """Rows of a table of entries, 0 where there is none; in any process."""
        try:
            table = await self._connection.open_table(name)
        except ValueError as error:
            if "not found" in str(error):
                return 0
            raise
        try:
            return int(await table.count_rows())
        finally:
            table.close()

    def close(self) -> None:
        """Release the handles."""
        for table in self.tables.values():
            table.close()
        self.tables.clear()


def _is_of_entries(name: str) -> bool:
    return name == FIRST_TABLE or name.startswith(f"{FIRST_TABLE}-")

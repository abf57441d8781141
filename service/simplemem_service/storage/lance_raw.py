"""Tables as they are, by name: for bringing back rows of a copy, whatever version of this program wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lancedb
import pyarrow as pa

from simplemem_service.storage.lance_errors import converted
from simplemem_service.storage.lance_sides import FOLLOWED_TABLE

TABLES_MAX = 1_000
"""Tables that a store may have; it has three, and at times two more."""


class RawTables:
    """The tables of a store.

    Parameters
    ----------
    uri
        Folder of the tables: a path, or ``s3://bucket/prefix``.
    options
        LanceDB's storage options (region, endpoint); credentials come from the environment.
    """

    def __init__(self, uri: str, options: Mapping[str, str]) -> None:
        self._uri = uri
        self._options = dict(options)
        self._connection: Any = None

    async def count_rows(self) -> dict[str, int]:
        """Rows of each table."""
        async with converted():
            connection = await self._connect()
            counts: dict[str, int] = {}
            for name in (await connection.list_tables(limit=TABLES_MAX)).tables:
                table = await connection.open_table(name)
                counts[name] = int(await table.count_rows())
                table.close()
        return counts

    async def drop_all(self) -> None:
        """Drop all tables with their files."""
        async with converted():
            connection = await self._connect()
            for name in (await connection.list_tables(limit=TABLES_MAX)).tables:
                await connection.drop_table(name)

    async def create(self, name: str, schema: pa.Schema, *, is_followed: bool) -> None:
        """Create an empty table."""
        async with converted():
            connection = await self._connect()
            options = FOLLOWED_TABLE if is_followed else {}
            (await connection.create_table(name, schema=schema, storage_options=dict(options))).close()

    async def add(self, name: str, rows: pa.Table) -> None:
        """Add rows."""
        async with converted():
            table = await (await self._connect()).open_table(name)
            await table.add(rows)
            table.close()

    async def _connect(self) -> Any:
        if self._connection is None:
            self._connection = await lancedb.connect_async(self._uri, storage_options=self._options or None)
        return self._connection

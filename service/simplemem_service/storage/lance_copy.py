"""The entries of the table in use on their way into another one, which gets vectors of its own.

What changed is told by the version columns of the table in use, as for whoever follows it. Removed entries need no
look: they go from both tables at once (`lance_sides.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from lancedb.query import ColumnOrdering

from simplemem_service.models.entry import EmbeddedEntry, Entry
from simplemem_service.storage import filters, schema
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.entry_rows import BATCH_ROWS
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.lance_errors import as_unavailable, converted
from simplemem_service.storage.maintenance import ENTRY_INDICES, Upkeep

SPAN = 256
"""Positions looked at in one query, and so most entries of a batch."""
UNIT_TOLERANCE = 0.01
"""How far the length of a stored vector may be from 1; sixteen bits a number alone make less than .001."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries to be copied."""

    entries: list[Entry]
    """By ascending position; none when the end is reached."""
    last: int
    """Position up to which all were given."""
    is_end: bool
    """Whether there was nothing behind them when they were read."""


class EntryCopy:
    """A second table of a store's entries.

    Parameters
    ----------
    storage
        The store, open for writing.
    target
        Name of the second table, and what it holds.
    """

    def __init__(self, storage: LanceStorage, target: StoreIdentity) -> None:
        self._storage = storage
        self._sides = storage.sides
        self.target = target
        self._upkeep = Upkeep(ENTRY_INDICES)

    async def open(self) -> None:
        """Create the second table unless it is there."""
        async with converted(), self._sides.lock:
            await self._sides.create(self.target)

    async def source_version(self) -> int:
        """Version of the table in use, by its own count."""
        async with converted():
            return int(await (await self._storage.entries_table()).version())

    async def target_version(self) -> int:
        """Version of the second table, by its own count."""
        async with converted():
            return int(await self._table.version())

    async def last_copied(self) -> int:
        """The highest position in the second table; -1 while it is empty."""
        async with converted():
            order = ColumnOrdering(column_name="position", ascending=False, nulls_first=False)
            rows = await self._table.query().select(["position"]).order_by([order]).limit(1).to_arrow()
        return int(rows.column("position")[0].as_py()) if rows.num_rows else -1

    async def count_changed(self, since: int) -> int:
        """Entries written or rewritten after a version of the table in use."""
        async with converted():
            return int(await (await self._storage.entries_table()).count_rows(filters.changed_after(since)))

    async def read(self, since: int, after: int) -> Batch:
        """The next entries, by position, of those written or rewritten after a version of the table in use; 0: all."""
        if since:
            entries = await self._select([filters.above("position", after), filters.changed_after(since)], SPAN)
            return Batch(entries, entries[-1].position if entries else after, len(entries) < SPAN)
        end = await self._storage.next_position()
        while after < end:
            last = after + SPAN
            entries = await self._select([filters.above("position", after), filters.below("position", last + 1)])
            if entries:
                return Batch(entries, last, last >= end)
            after = last
        return Batch([], after, True)

    async def _select(self, conditions: Sequence[str], limit: int | None = None) -> list[Entry]:
        predicate = " AND ".join(f"({one})" for one in conditions)
        async with converted():
            table = await self._storage.entries_table()
            columns = schema.present_columns(await table.schema())
            order = ColumnOrdering(column_name="position", ascending=True, nulls_first=False)
            query = table.query().where(predicate).select(columns).order_by([order])
            rows = await (query if limit is None else query.limit(limit)).to_arrow()
        return schema.plain_entries_from_arrow(rows)

    async def write(self, rows: Sequence[EmbeddedEntry]) -> None:
        """Write or rewrite entries of the second table, but for those removed from the table in use meanwhile."""
        async with converted(), self._sides.lock:
            source = await self._storage.entries_table()
            wanted = filters.any_of("entry_id", [row.entry.entry_id for row in rows])
            found = await source.query().where(wanted).select(["entry_id"]).to_arrow()
            there = set(found.column("entry_id").to_pylist())
            kept = [row for row in rows if row.entry.entry_id in there]
            if kept:
                await self._sides.write(self.target.table, schema.entries_to_arrow(kept, await self._table.schema()))

    async def maintain(self) -> None:
        """Compact the second table and build its indices."""
        async with converted():
            await self._upkeep.run(self._table)

    async def counts(self) -> tuple[int, int]:
        """Entries of the second table and of the one in use."""
        async with converted():
            source = await self._storage.entries_table()
            return int(await self._table.count_rows()), int(await source.count_rows())

    async def differences(self) -> list[str]:
        """Ids that only one of the two tables holds."""
        async with converted():
            source = await self._storage.entries_table()
            ours, theirs = [await _ids(table) for table in (self._table, source)]
        return sorted(ours ^ theirs)

    async def remove(self, entry_ids: Sequence[str]) -> None:
        """Remove entries from the second table alone."""
        async with converted(), self._sides.lock:
            await self._table.delete(filters.any_of("entry_id", entry_ids))

    async def count_unusable(self) -> int:
        """Entries of the second table with a vector that is no unit vector, or without a sentence."""
        async with converted():
            dataset = await self._table.to_lance()
            return await asyncio.to_thread(_count_unusable, dataset)

    async def sample(self, count: int) -> list[EmbeddedEntry]:
        """Entries of the second table, spread evenly over it, with their vectors."""
        async with converted():
            dataset = await self._table.to_lance()
            rows = int(await self._table.count_rows())
            places = sorted({int(place) for place in np.linspace(0, rows - 1, min(count, rows))}) if rows else []
            found = await asyncio.to_thread(dataset.take, places) if places else None
        return schema.entries_from_arrow(found) if found is not None else []

    @property
    def _table(self) -> Any:
        return self._sides.tables[self.target.table]


async def _ids(table: Any) -> set[str]:
    rows = await table.query().select(["entry_id"]).to_arrow()
    return set(rows.column("entry_id").to_pylist())


def _count_unusable(dataset: Any) -> int:
    count = 0
    try:
        for batch in dataset.to_batches(columns=["embedding", "sentences"], batch_size=BATCH_ROWS):
            count += _unusable(batch)
    except (RuntimeError, OSError, ValueError) as error:
        raise as_unavailable(error) from error
    return count


def _unusable(batch: pa.RecordBatch) -> int:
    vectors = batch.column("embedding")
    nested = batch.column("sentences")
    length = vectors.type.list_size
    bad = ~_is_unit(schema.half_matrix(vectors.flatten(), length))
    counts = nested.value_lengths().to_numpy(zero_copy_only=False)
    owners = np.repeat(np.arange(batch.num_rows), counts)
    bad |= counts < 1
    bad[owners[~_is_unit(schema.half_matrix(nested.flatten().flatten(), length))]] = True
    return int(bad.sum())


def _is_unit(vectors: Any) -> Any:
    """Which rows have length 1; what is not a number has none."""
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
    return np.abs(lengths - 1.0) <= UNIT_TOLERANCE

"""What changed in a LanceDB table between two versions: written rows by version column, deleted rows by delta."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from simplemem_service.models.entry import EmbeddedEntry
from simplemem_service.storage import filters
from simplemem_service.storage.base import Changes
from simplemem_service.storage.entry_rows import BATCH_ROWS, EntryRows
from simplemem_service.storage.lance_errors import as_unavailable

ROWS_REMEMBERED = 16
"""Versions whose number of rows is kept to tell cheaply that nothing was deleted."""


async def read_changes(table: Any, since: int | None, rows_at: dict[int, int]) -> Changes:
    """The changes from version `since` to the one that the handle stands at; the whole table where that is impossible.

    Parameters
    ----------
    table
        A handle that stands at the wanted version.
    since
        The version that is known; None for nothing.
    rows_at
        Number of rows by version, kept from call to call: as long as the rows of a known version plus those created
        since make up the present ones, no row was deleted and the costlier look at the delta is saved.
    """
    version = int(await table.version())
    if since is None or since > version:
        return await _everything(table, version, rows_at)
    if since == version:
        return Changes(version=version, upserted=(), deleted=(), is_complete=False)
    rows = await table.count_rows()
    deleted: tuple[str, ...] = ()
    before, created = rows_at.get(since), await table.count_rows(filters.created_after(since))
    if before is None or before + created != rows:
        found = await _deleted_ids(table, since, version)
        # Rows that came back, by a restore of a later version than the known one, are neither created nor deleted.
        if found is None or (before is not None and before + created - len(found) != rows):
            return await _everything(table, version, rows_at)
        deleted = found
    changed = await table.query().where(filters.changed_after(since)).to_arrow()
    _remember(rows_at, version, rows)
    return Changes(version, _by_position(changed), deleted, is_complete=False)


async def _everything(table: Any, version: int, rows_at: dict[int, int]) -> Changes:
    count = await table.count_rows()
    _remember(rows_at, version, count)
    if not count:
        return Changes(version, (), (), is_complete=True)
    dataset = await table.to_lance()
    if dataset.version != version:
        dataset = dataset.checkout_version(version)

    def scan() -> Iterator[pa.Table]:
        try:
            for batch in dataset.to_batches(batch_size=BATCH_ROWS, batch_readahead=2, fragment_readahead=1):
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])
        except (RuntimeError, OSError, ValueError) as error:
            raise as_unavailable(error) from error

    return Changes(version, EntryRows(count, scan), (), is_complete=True)


async def _deleted_ids(table: Any, since: int, version: int) -> tuple[str, ...] | None:
    """Ids of the entries deleted since; None where the old version is gone."""
    dataset = await table.to_lance()
    try:
        delta = dataset.delta(begin_version=since, end_version=version)
        rows = [row for batch in delta.get_deleted_row_ids() for row in batch.column("_rowid").to_pylist()]
        if not rows:
            return ()
        old = dataset.checkout_version(since)
        known = old.to_table(columns=["entry_id"], filter=f"_rowid IN ({', '.join(str(int(row)) for row in rows)})")
    except (ValueError, OSError, RuntimeError):
        return None
    return tuple(known.column("entry_id").to_pylist())


def _by_position(rows: pa.Table) -> Sequence[EmbeddedEntry]:
    if not rows.num_rows:
        return ()
    ordered = rows.sort_by("position")
    starts = range(0, ordered.num_rows, BATCH_ROWS)
    return EntryRows(ordered.num_rows, lambda: (ordered.slice(start, BATCH_ROWS) for start in starts))


def _remember(rows_at: dict[int, int], version: int, rows: int) -> None:
    rows_at[version] = rows
    while len(rows_at) > ROWS_REMEMBERED:
        del rows_at[min(rows_at)]

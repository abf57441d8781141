"""What changed in a table of LanceDB Cloud between two versions, by a column of our own.

Its REST API neither gives a table stable row ids nor hands out Lance's deltas. So every row carries the number of the
commit that wrote it (`WRITTEN`), which the one writer counts up: what changed is what has a higher one than a follower
knows. What was deleted shows in the number of rows; only then are the ids of both versions compared, since earlier
versions can be asked as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from lancedb.query import ColumnOrdering

from simplemem_service.storage import filters
from simplemem_service.storage.base import Changes
from simplemem_service.storage.entry_rows import EntryRows
from simplemem_service.storage.lance_errors import as_unavailable

WRITTEN = "written"
"""Column with the number of the commit that wrote a row last."""
PAGE = 1_024
"""Positions asked for at once where the whole table is read: some 7 MB of an answer, which comes in one piece."""
IDS_AT_ONCE = 500
"""Ids counted in one query."""
STATES_MAX = 16
"""Versions that something is remembered of."""

OpenAt = Callable[[int], Any]
"""Gives LanceDB's blocking table at a version; called in a thread."""


@dataclass(frozen=True, slots=True)
class TableState:
    """What a version of the table is recognised by."""

    rows: int
    """Number of rows."""
    written: int
    """The highest number of a commit; 0 for an empty table."""


class CloudChanges:
    """Reads changes through one handle, which stands at one version for the time of a look.

    Parameters
    ----------
    open_at
        Gives another handle, for the passes over the whole table.
    """

    def __init__(self, open_at: OpenAt) -> None:
        self._open_at = open_at
        self._states: dict[int, TableState] = {}

    async def read(self, table: Any, since: int | None) -> Changes:
        """The changes since a version; the whole table for None and for a version that is gone."""
        await table.checkout_latest()
        version = int(await table.version())
        if since == version:
            return Changes(version, (), (), is_complete=False)
        before = await self._state(table, since) if since is not None else None
        await table.checkout(version)
        rows = int(await table.count_rows())
        if since is None or before is None:
            return await self._everything(table, version, rows)
        changed = await table.query().where(filters.above(WRITTEN, before.written)).to_arrow()
        deleted = await self._deleted(table, since, version, rows_before=before.rows, rows=rows, changed=changed)
        await table.checkout(version)
        if deleted is None:
            return await self._everything(table, version, rows)
        written = max([before.written, *changed.column(WRITTEN).to_pylist()])
        self._remember(version, TableState(rows, written))
        return Changes(version, _by_position(changed), deleted, is_complete=False)

    async def _state(self, table: Any, version: int) -> TableState | None:
        """What a version is recognised by; None where it is gone. The handle stands anywhere afterwards."""
        known = self._states.get(version)
        if known is None:
            try:
                await table.checkout(version)
                known = TableState(int(await table.count_rows()), await highest(table, WRITTEN))
            except (RuntimeError, OSError, ValueError):
                return None
        return known

    async def _everything(self, table: Any, version: int, rows: int) -> Changes:
        self._remember(version, TableState(rows, await highest(table, WRITTEN)))
        last = await highest(table, "position")

        def scan() -> Iterator[pa.Table]:
            try:
                pinned = self._open_at(version)
                for start in range(0, last + 1, PAGE):
                    inside = f"{filters.above('position', start - 1)} AND {filters.below('position', start + PAGE)}"
                    page = pinned.search().where(inside).to_arrow()
                    if page.num_rows:
                        yield page
            except (RuntimeError, OSError, ValueError) as error:
                raise as_unavailable(error) from error

        return Changes(version, EntryRows(rows, scan) if rows else (), (), is_complete=True)

    async def _deleted(
        self, table: Any, since: int, version: int, *, rows_before: int, rows: int, changed: pa.Table
    ) -> tuple[str, ...] | None:
        """Ids deleted since a version; None where that cannot be told. The handle stands anywhere afterwards."""
        ids = changed.column("entry_id").to_pylist()
        try:
            await table.checkout(since)
            known = [
                await table.count_rows(filters.any_of("entry_id", ids[start : start + IDS_AT_ONCE]))
                for start in range(0, len(ids), IDS_AT_ONCE)
            ]
            created = len(ids) - sum(known)
            if rows_before + created == rows:
                return ()
            old = await _ids(table)
            await table.checkout(version)
            deleted = old - await _ids(table)
        except (RuntimeError, OSError, ValueError):
            return None
        # A writer that came back late may have used a number that others had already passed.
        return tuple(sorted(deleted)) if rows_before + created - len(deleted) == rows else None

    def _remember(self, version: int, state: TableState) -> None:
        self._states[version] = state
        while len(self._states) > STATES_MAX:
            del self._states[min(self._states)]


async def highest(table: Any, column: str) -> int:
    """The highest value in a column of numbers; 0 for an empty table."""
    order = ColumnOrdering(column_name=column, ascending=False, nulls_first=False)
    rows = await table.query().select([column]).order_by([order]).limit(1).to_arrow()
    return int(rows.column(column)[0].as_py()) if rows.num_rows else 0


async def _ids(table: Any) -> set[str]:
    rows = await table.query().select(["entry_id"]).to_arrow()
    return set(rows.column("entry_id").to_pylist())


def _by_position(rows: pa.Table) -> EntryRows | tuple[()]:
    if not rows.num_rows:
        return ()
    ordered = rows.sort_by("position")
    starts = range(0, ordered.num_rows, PAGE)
    return EntryRows(ordered.num_rows, lambda: (ordered.slice(start, PAGE) for start in starts))

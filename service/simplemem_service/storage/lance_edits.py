"""What changes or removes rows that are already there, and what they were before; the half of the LanceDB store that
corrections, syntheses and erasure rest on.

Removing rows only marks them: their bytes stay in the data files, and in every older version of the table. `purge`
rewrites the files that hold removed rows; once the retention has dropped the versions before, no file holds them.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from lancedb.query import ColumnOrdering
from typing_extensions import override

from simplemem_service.models.entry import EmbeddedEntry, Entry, Turn, group_by_session
from simplemem_service.models.query import EntryFilter
from simplemem_service.models.revision import Revision
from simplemem_service.storage import filters, history_schema, schema
from simplemem_service.storage.base import PurgeMark, Removed, Storage
from simplemem_service.storage.lance_errors import converted
from simplemem_service.storage.lance_sides import SideTables
from simplemem_service.storage.reserved import without_own

ENTRIES = "entries"
TURNS = "turns"
HISTORY = "history"
ALL_TABLES = (ENTRIES, TURNS, HISTORY)
KEYS_AT_ONCE = 500
"""Keys looked up or removed in one query."""


class LanceEdits(Storage):
    """Reads and changes rows by id; which tables there are, its subclass knows."""

    sides: SideTables
    """Tables of entries beside the one in use, out of which what is removed must go as well."""

    @abstractmethod
    def _physical(self, name: str) -> str:
        """Name of the table that a kind of rows lies in."""

    @property
    @abstractmethod
    def _base(self) -> int:
        """What is added to the version of the table of entries."""

    @abstractmethod
    async def _table(self, name: str, purpose: str) -> Any:
        """The handle of a table kept for one purpose; None while the table does not exist."""

    @abstractmethod
    async def _latest(self, name: str) -> Any:
        """The handle for questions, at the latest version; None while the table does not exist."""

    @override
    async def read_embedded(self, entry_ids: Sequence[str]) -> list[EmbeddedEntry]:
        found = [row for keys in _chunks(entry_ids) for row in await self._embedded(filters.any_of("entry_id", keys))]
        return sorted(found, key=lambda row: row.entry.position)

    @override
    async def list_embedded(self, user_id: str | None, *, after: int, limit: int) -> list[EmbeddedEntry]:
        predicate = filters.entry_predicate(EntryFilter(user_id=user_id), after=after)
        return await self._embedded(without_own(user_id, predicate), limit=limit)

    @override
    async def entries_before(self, entry: Entry, limit: int) -> list[Entry]:
        where = EntryFilter(user_id=entry.user_id, session_id=entry.session_id)
        predicate = f"{filters.entry_predicate(where)} AND {filters.below('position', entry.position)}"
        rows = await self._rows(ENTRIES, predicate, order="position", ascending=False, limit=limit, has_vectors=False)
        return schema.plain_entries_from_arrow(rows)[::-1] if rows is not None else []

    @override
    async def superseded_by(self, entry_ids: Sequence[str]) -> list[EmbeddedEntry]:
        chunks = _chunks(entry_ids)
        return [row for keys in chunks for row in await self._embedded(filters.any_of("superseded_by", keys))]

    @override
    async def update_entries(self, entries: Sequence[EmbeddedEntry]) -> int:
        async with converted():
            table = await self._table(ENTRIES, "write")
            if not entries:
                return await self._version(table)
            await _update(table, "entry_id", await self._entry_rows(entries, table))
            return await self._version(table)

    @override
    async def delete_entries(self, entry_ids: Sequence[str]) -> int:
        async with converted():
            table = await self._table(ENTRIES, "write")
            async with self.sides.lock:
                for keys in _chunks(entry_ids):
                    where = filters.any_of("entry_id", keys)
                    await self.sides.delete(where)
                    await table.delete(where)
            return await self._version(table)

    @override
    async def list_turns(self, user_id: str | None, *, after: int, limit: int) -> list[Turn]:
        predicate = filters.owned(user_id, filters.above("position", after))
        return await self._turns(without_own(user_id, predicate), limit)

    @override
    async def dropped_turns(self, user_id: str | None, least_density: float, limit: int) -> list[Turn]:
        return await self._turns(filters.owned(user_id, filters.at_least("dropped_density", least_density)), limit)

    @override
    async def update_turns(self, turns: Sequence[Turn]) -> None:
        if turns:
            async with converted():
                await _update(await self._table(TURNS, "write"), "key", schema.turns_to_arrow(turns))

    @override
    async def sole_turns(self, entries: Sequence[Entry]) -> list[str]:
        return [key for own in group_by_session(entries) for key in await self._sole_turns(own)]

    async def _sole_turns(self, entries: Sequence[Entry]) -> list[str]:
        """The same for entries of one session."""
        removed = {entry.entry_id for entry in entries}
        cited = sorted({source for entry in entries for source in entry.sources})
        session = filters.entry_predicate(EntryFilter(user_id=entries[0].user_id, session_id=entries[0].session_id))
        keys: list[str] = []
        for ids in _chunks(cited):
            others = await self._rows(ENTRIES, f"{session} AND {filters.has_any('sources', ids)}", has_vectors=False)
            kept = {
                source
                for entry in schema.plain_entries_from_arrow(others)
                if entry.entry_id not in removed
                for source in entry.sources
            }
            gone = [one for one in ids if one not in kept]
            if gone:
                rows = await self._rows(TURNS, f"{session} AND {filters.any_of('id', gone)}")
                keys += [turn.key for turn in schema.turns_from_arrow(rows)]
        return keys

    @override
    async def delete_turns(self, keys: Sequence[str]) -> None:
        for chunk in _chunks(keys):
            await self._delete(TURNS, filters.any_of("key", chunk))

    @override
    async def next_turn_position(self) -> int:
        rows = await self._rows(TURNS, "position IS NOT NULL", ascending=False, limit=1)
        last = schema.turns_from_arrow(rows)
        return (last[0].position or 0) + 1 if last else 0

    @override
    async def add_history(self, revisions: Sequence[Revision]) -> None:
        if revisions:
            async with converted():
                table = await self._table(HISTORY, "write")
                merge = table.merge_insert("key").when_not_matched_insert_all().use_index(False)
                await merge.execute(history_schema.revisions_to_arrow(revisions))

    @override
    async def history(self, entry_id: str) -> list[Revision]:
        return await self._revisions(filters.equals("entry_id", entry_id))

    @override
    async def changes_by(self, cause: str) -> list[Revision]:
        return await self._revisions(filters.equals("cause", cause))

    @override
    async def count_history(self, entry_ids: Sequence[str]) -> int:
        async with converted():
            table = await self._table(HISTORY, "write")
            counts = [await table.count_rows(filters.any_of("entry_id", keys)) for keys in _chunks(entry_ids)]
        return sum(counts)

    @override
    async def delete_history(self, entry_ids: Sequence[str]) -> None:
        for keys in _chunks(entry_ids):
            await self._delete(HISTORY, filters.any_of("entry_id", keys))

    @override
    async def count_user(self, user_id: str) -> Removed:
        async with converted():
            tables = {name: await self._table(name, "write") for name in ALL_TABLES}
            where = filters.equals("user_id", user_id)
            entries, turns, revisions = [await table.count_rows(where) for table in tables.values()]
        return Removed(entries, turns, revisions)

    @override
    async def erase_user(self, user_id: str) -> int:
        where = filters.equals("user_id", user_id)
        for name in (HISTORY, TURNS):
            await self._delete(name, where)
        async with converted(), self.sides.lock:
            await self.sides.delete(where)
            table = await self._table(ENTRIES, "write")
            await table.delete(where)
            return await self._version(table)

    @override
    async def purge(self, *, drops_indices: bool) -> PurgeMark:
        async with converted():
            tables = {self._physical(name): await self._table(name, "write") for name in ALL_TABLES}
            tables |= self.sides.tables
            return {name: await _purge_table(table, drops_indices=drops_indices) for name, table in tables.items()}

    @override
    async def is_purged(self, mark: PurgeMark) -> bool:
        async with converted():
            for name, version in mark.items():
                table = await self._by_physical(name)
                versions = await table.list_versions() if table is not None else []
                if any(one["version"] < version for one in versions):
                    return False
        return True

    async def _by_physical(self, name: str) -> Any:
        """The writer's handle of a table; None for one that was dropped since, and its files with it."""
        logical = {self._physical(one): one for one in ALL_TABLES}
        return await self._table(logical[name], "write") if name in logical else self.sides.tables.get(name)

    async def _version(self, table: Any) -> int:
        """Version of the table of entries as the rest of the service counts it."""
        return int(await table.version()) + self._base

    async def _entry_rows(self, entries: Sequence[EmbeddedEntry], table: Any) -> pa.Table:
        """Entries as rows of a table, to be merged into it."""
        return schema.entries_to_arrow(entries, await table.schema())

    async def _delete(self, name: str, predicate: str) -> None:
        async with converted():
            await (await self._table(name, "write")).delete(predicate)

    async def _embedded(self, predicate: str, limit: int | None = None) -> list[EmbeddedEntry]:
        rows = await self._rows(ENTRIES, predicate, limit=limit)
        # In a thread: for some hundred rows the loop would stand still for ten milliseconds.
        return await asyncio.to_thread(schema.entries_from_arrow, rows) if rows is not None else []

    async def _turns(self, predicate: str, limit: int) -> list[Turn]:
        rows = await self._rows(TURNS, predicate, limit=limit)
        return schema.turns_from_arrow(rows) if rows is not None else []

    async def _revisions(self, predicate: str) -> list[Revision]:
        async with converted():
            table = await self._latest(HISTORY)
            if table is None:
                return []
            rows = await table.query().where(predicate).to_arrow()
        return sorted(history_schema.revisions_from_arrow(rows), key=lambda revision: revision.changed_at)

    async def _rows(
        self,
        name: str,
        predicate: str,
        *,
        order: str = "position",
        ascending: bool = True,
        limit: int | None = None,
        has_vectors: bool = True,
    ) -> pa.Table:
        """Rows of a table in the order of a column; None while the table does not exist."""
        async with converted():
            table = await self._latest(name)
            if table is None:
                return None
            query = table.query().where(predicate)
            if not has_vectors:
                query = query.select(schema.present_columns(await table.schema()))
            query = query.order_by([ColumnOrdering(column_name=order, ascending=ascending, nulls_first=False)])
            return await (query if limit is None else query.limit(limit)).to_arrow()


async def _update(table: Any, key: str, rows: pa.Table) -> None:
    # Through an index, concurrent merges of the same key duplicate it (lancedb 0.40).
    merge = table.merge_insert(key).when_matched_update_all().use_index(False)
    await merge.execute(rows)


async def _purge_table(table: Any, *, drops_indices: bool) -> int:
    """Version of a table from which on its files hold no removed row."""
    dataset = await table.to_lance()
    if any(fragment.num_deletions for fragment in dataset.get_fragments()):
        if drops_indices:
            for index in await table.list_indices():
                await table.drop_index(index.name)
        dataset = await table.to_lance()
        # A compaction leaves alone what has few removed rows, unless it is told that none may stay.
        options = {"materialize_deletions": True, "materialize_deletions_threshold": 0.0}
        await asyncio.to_thread(dataset.optimize.compact_files, **options)
        await table.checkout_latest()
    return int(await table.version())


def _chunks(keys: Sequence[str]) -> list[Sequence[str]]:
    return [keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE)]

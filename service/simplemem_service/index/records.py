"""The columns behind the catalogue: per entry some 80 bytes of codes and times, its id and its packed fields."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from simplemem_service.index.base import Places
from simplemem_service.index.growing import GrowingArray
from simplemem_service.index.session_order import SessionOrder
from simplemem_service.models.entry import Entry
from simplemem_service.models.query import EntryFilter
from simplemem_service.storage.entry_rows import EntryBatch
from simplemem_service.storage.schema import ENTRY_COLUMNS, LIST_COLUMNS, TIME_COLUMNS

NO_TIME = np.iinfo(np.int64).min
"""Time of an entry that has none."""
DAY_MICROSECONDS = 86_400_000_000
EPOCH_DAY = date(1970, 1, 1).toordinal()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_PACKED = ENTRY_COLUMNS[1:]
"""Fields kept packed: all but the id."""
_LISTS = tuple(_PACKED.index(name) for name in _PACKED if name in LIST_COLUMNS)
_TIMES = tuple(_PACKED.index(name) for name in _PACKED if name in TIME_COLUMNS)
_decode = json.JSONDecoder().raw_decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Mask = npt.NDArray[np.bool_]
"""Whether each row is meant."""
Rows = npt.NDArray[np.int64]
"""Row numbers."""
ENTRIES_UNPACKED = 8192
"""Entries kept as objects, about 16 MB: those of a user who asks again and again are not unpacked for each question."""


class Codes:
    """A column of values that many entries share, as numbers."""

    def __init__(self) -> None:
        self.rows = GrowingArray((), np.int32)
        """Number of each row's value."""
        self._numbers: dict[Hashable, int] = {}
        self._next = 0

    def code(self, value: Hashable) -> int:
        """The number of a value, a new one if it has none."""
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = self._next
            self._next += 1
        return number

    def find(self, value: Hashable) -> int:
        """The number of a value; -1, which no row has, if it has none."""
        return self._numbers.get(value, -1)

    def lookup(self, is_wanted: Callable[[Any], bool]) -> Mask:
        """Whether each number's value is wanted."""
        numbers = dict(self._numbers)
        wanted = np.zeros(self._next, dtype=np.bool_)
        wanted[[number for value, number in numbers.items() if is_wanted(value)]] = True
        return wanted

    def keep(self, rows: Rows) -> None:
        """Forget the values that none of these rows has."""
        used = np.zeros(self._next, dtype=np.bool_)
        used[self.rows.rows()[rows]] = True
        self._numbers = {value: number for value, number in self._numbers.items() if used[number]}


class Records:
    """What is known of all entries, a row each. A row is an entry's for ever; rewriting it keeps its row."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        """Row of each entry."""
        self.ids: list[str] = []
        """Entry id of each row."""
        self.size = 0
        """Rows whose columns are complete."""
        self.times = GrowingArray((), np.int64)
        """When each was told, in microseconds since 1970."""
        self.orders: dict[tuple[str, str], SessionOrder] = {}
        """Rows of each user's sessions, in order."""
        self.spoken: dict[str | None, Counter[str]] = {None: Counter()}
        """Entries of each speaker, by user and (None) of all."""
        self._packed: list[bytes] = []
        self._alive = GrowingArray((), np.bool_)
        self._positions = GrowingArray((), np.int64)
        self._users, self._sessions, self._locations, self._groups = self._codes = Codes(), Codes(), Codes(), Codes()

    def write(self, batch: EntryBatch) -> None:
        """Take over entries written or rewritten."""
        columns = [batch.columns[name] for name in ENTRY_COLUMNS]
        fields = zip(batch.columns["entry_id"], zip(*columns[1:], strict=True), strict=True)
        known = self.rows
        fresh: list[tuple[str, tuple[Any, ...]]] = []
        for entry_id, values in fields:
            if entry_id in known:
                self._rewrite(known[entry_id], values)
            else:
                fresh.append((entry_id, values))
        self._append(dict(fresh))

    def remove(self, entry_ids: Sequence[str]) -> None:
        """Leave entries out, and forget what is known of them."""
        rows = [row for entry_id in entry_ids if (row := self.rows.pop(entry_id, None)) is not None]
        for row in rows:
            self._leave_order(row)
            self._alive.rows()[row] = False
            self._packed[row] = b""
            self.ids[row] = ""
        if rows:
            standing = np.flatnonzero(self._alive.rows())
            for column in self._codes:
                column.keep(standing)
            self._drop_silent()
            _unpacked.cache_clear()

    def entry(self, entry_id: str) -> Entry | None:
        """The entry of that id, or None."""
        row = self.rows.get(entry_id)
        packed = self._packed[row] if row is not None else b""
        return _unpacked(entry_id, packed) if packed else None

    def mask(self, user_id: str | None, size: int) -> Mask:
        """Which of the first rows are a user's, or anybody's."""
        alive = self._alive.rows()[:size]
        if user_id is None:
            return alive.copy()
        found: Mask = alive & (self._users.rows.rows()[:size] == self._users.find(user_id))
        return found

    def places(self, rows: Rows) -> Places:
        """Positions of the entries of rows, rising."""
        return np.sort(self._positions.rows()[rows])

    def matching(self, where: EntryFilter) -> Rows:
        """Rows of the entries that satisfy every field of a filter; one without a time satisfies no bound on time."""
        size = self.size
        times = self.times.rows()[:size]
        found = self.mask(where.user_id, size)
        if where.session_id is not None:
            found &= self._sessions.rows.rows()[:size] == self._sessions.find(where.session_id)
        if where.location is not None:
            found &= self._locations.rows.rows()[:size] == self._locations.find(where.location.casefold())
        if where.persons:
            wanted = {name.casefold() for name in where.persons}
            groups = self._groups.rows.rows()[:size]
            # Clipped, since a row may be rewritten meanwhile with a group that is newer than the lookup.
            found &= np.take(self._groups.lookup(lambda group: wanted <= group), groups, mode="clip")
        if where.since is not None or where.until is not None:
            found &= times != NO_TIME
        if where.since is not None:
            found &= times >= _microseconds(where.since)
        if where.until is not None:
            found &= times <= _microseconds(where.until)
        return np.flatnonzero(found)

    def compacted(self) -> Records:
        """The same without rows of entries that are gone."""
        copy = Records()
        copy._append({entry_id: tuple(json.loads(self._packed[row])) for entry_id, row in self.rows.items()})
        return copy

    def _append(self, entries: dict[str, tuple[Any, ...]]) -> None:
        """Rows for entries that have none."""
        first = len(self.ids)
        codes = np.array([self._coded(values) for values in entries.values()], dtype=np.int32).reshape(-1, 4)
        self._packed += [_encode(values).encode() for values in entries.values()]
        self.ids += entries
        for column, numbers in zip(self._codes, codes.T, strict=True):
            column.rows.extend(numbers)
        self._positions.extend([values[_POSITION] for values in entries.values()])
        self.times.extend([_time(values) for values in entries.values()])
        self._alive.extend(np.ones(len(entries), dtype=np.bool_))
        for row, values in enumerate(entries.values(), first):
            self._join_order(row, values)
        self.rows.update(zip(entries, range(first, first + len(entries)), strict=True))
        self.size = len(self.ids)

    def _rewrite(self, row: int, values: tuple[Any, ...]) -> None:
        self._leave_order(row)
        for column, number in zip(self._codes, self._coded(values), strict=True):
            column.rows.rows()[row] = number
        self._positions.rows()[row] = values[_POSITION]
        self.times.rows()[row] = _time(values)
        self._packed[row] = _encode(values).encode()
        self._join_order(row, values)

    def _coded(self, values: tuple[Any, ...]) -> tuple[int, ...]:
        return (
            self._users.code(values[_USER]),
            self._sessions.code(values[_SESSION]),
            self._locations.code((values[_LOCATION] or "").casefold()),
            self._groups.code(frozenset(name.casefold() for name in values[_PERSONS] or ())),
        )

    def _drop_silent(self) -> None:
        """Forget the names of those of whom no entry is left."""
        for user_id, counts in list(self.spoken.items()):
            left = Counter({name: count for name, count in counts.items() if count > 0})
            if left or user_id is None:
                self.spoken[user_id] = left
            else:
                del self.spoken[user_id]

    def _join_order(self, row: int, values: tuple[Any, ...]) -> None:
        user_id, speaker = values[_USER], values[_SPEAKER]
        session = (user_id, values[_SESSION])
        order = self.orders.get(session)
        if order is None:
            order = self.orders[session] = SessionOrder()
        order.add(values[_POSITION], row)
        self.spoken.setdefault(user_id, Counter())[speaker] += 1
        self.spoken[None][speaker] += 1

    def _leave_order(self, row: int) -> None:
        values = json.loads(self._packed[row])
        user_id, speaker = values[_USER], values[_SPEAKER]
        session = (user_id, values[_SESSION])
        self.orders[session].remove(values[_POSITION], row)
        if not len(self.orders[session]):
            del self.orders[session]
        self.spoken[user_id][speaker] -= 1
        self.spoken[None][speaker] -= 1


_USER, _SESSION, _POSITION, _SPEAKER, _LOCATION, _PERSONS, _TOLD = (
    _PACKED.index(name) for name in ("user_id", "session_id", "position", "speaker", "location", "persons", "timestamp")
)


def _time(values: tuple[Any, ...]) -> int:
    told = values[_TOLD]
    return NO_TIME if told is None else int(told)


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=ENTRIES_UNPACKED)
def _unpacked(entry_id: str, packed: bytes) -> Entry:
    values = _decode(packed.decode())[0]
    for place in _LISTS:
        values[place] = tuple(values[place] or ())
    for place in _TIMES:
        if values[place] is not None:
            values[place] = EPOCH + timedelta(microseconds=values[place])
    return Entry(entry_id, *values)

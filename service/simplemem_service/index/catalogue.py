"""The symbolic view: entries by id, and what filters and cues need to know of them.

An entry is kept as the JSON text of its fields, half a kilobyte, and becomes an object where a search looks at it (5
microseconds); what filters ask lies in columns beside it, so that a filter is a few comparisons of whole columns.

Unlike the other views it is not read in snapshots: an entry looked up is the entry as it is now, and one deleted
meanwhile is simply gone from the answer. Readers need no lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from typing_extensions import override

from simplemem_service.index.base import Loadable, Scope
from simplemem_service.index.records import DAY_MICROSECONDS, EPOCH_DAY, NO_TIME, Records
from simplemem_service.models.entry import EmbeddedEntry, Entry
from simplemem_service.models.query import EntryFilter
from simplemem_service.storage.entry_rows import EntryBatch, batches_of

DEAD_SHARE = 0.25
"""Share of records of deleted entries above which all are copied without them."""


class Catalogue(Loadable):
    """Entries by id, by day and by speaker."""

    def __init__(self) -> None:
        self._records = Records()
        self._loading = Records()
        self._speakers: dict[str | None, list[str]] = {}

    def __len__(self) -> int:
        return len(self._records.rows)

    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        """Take over changes; one call at a time."""
        self._records.remove(deleted)
        for batch in batches_of(upserted):
            self._records.write(batch)
        if len(self._records.ids) - len(self._records.rows) > DEAD_SHARE * len(self._records.ids):
            self._records = self._records.compacted()
        self._speakers = {}

    @override
    def begin_load(self) -> None:
        self._loading = Records()

    @override
    def load(self, batch: EntryBatch) -> None:
        self._loading.write(batch)

    @override
    def end_load(self) -> None:
        self._records, self._loading = self._loading, Records()
        self._speakers = {}

    def entry(self, entry_id: str) -> Entry | None:
        """The entry of that id as it is now, or None."""
        return self._records.entry(entry_id)

    def previous(self, entry: Entry) -> str | None:
        """Id of the entry before that one in its session, or None."""
        records = self._records
        order = records.orders.get((entry.user_id, entry.session_id))
        row = order.before(entry.position) if order else None
        return None if row is None else records.ids[row]

    def speakers(self, user_id: str | None) -> list[str]:
        """Names of those who spoke in a user's memory, or in all; most talkative first."""
        remembered = self._speakers
        if user_id not in remembered:
            counts = dict(self._records.spoken.get(user_id, {}))
            names = (name for name, count in counts.items() if count > 0 and name)
            remembered[user_id] = sorted(names, key=lambda name: -counts[name])
        return remembered[user_id]

    def on_days(self, scope: Scope, is_wanted: Callable[[date], bool]) -> Scope:
        """The part of a scope that was told on days that are wanted."""
        records = self._records
        size = records.size
        times = records.times.rows()[:size]
        rows = np.flatnonzero(records.mask(scope.user_id, size) & (times != NO_TIME))
        if not len(rows):
            return scope.narrowed(records.places(rows))
        days = times[rows] // DAY_MICROSECONDS
        first = int(days.min())
        counts = np.bincount(days - first)
        wanted = np.zeros(len(counts), dtype=np.bool_)
        for day in np.flatnonzero(counts).tolist():
            wanted[day] = is_wanted(date.fromordinal(EPOCH_DAY + first + day))
        return scope.narrowed(records.places(rows[wanted[days - first]]))

    def scope(self, where: EntryFilter) -> Scope:
        """Where a search with that filter may look."""
        if where == EntryFilter(user_id=where.user_id):
            return Scope(where.user_id)
        return Scope(where.user_id, self._records.places(self._records.matching(where)))

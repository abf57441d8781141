"""The vector view in memory: exact cosines, in large scopes of those entries that a sketch tells to be near.

Vectors are kept in 16 bits a number (2.3 KB an entry of two sentences with 384 dimensions), beside sketches of a sixth
of their length (.8 KB, `sketch.py`) in all but small stores. LanceDB's own index (IVF_RQ) is not used: for one vector
an entry it takes 5 ms at 100,000 entries, knows no best sentence and loses recall under a filter, while the sketches
answer in 2 ms (entries) and 5 ms (sentences), under any filter and without a request to the table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from simplemem_service.index.base import Candidates, Scope, VectorSnapshot, VectorView
from simplemem_service.index.chunk import CHUNK_ROWS, NOBODY, Chunk, ChunkView, Columns, Rows, best_of
from simplemem_service.index.sketch import SAMPLE, Matrix, Sketcher, as_fixed
from simplemem_service.models.entry import EmbeddedEntry, Vector
from simplemem_service.storage.entry_rows import EntryBatch, batches_of

RATED_ROWS = 4_096
"""Entries or sentences that a search rates exactly, all of them or the best by sketch. Of the best hundred of 100,000
entries it then finds .9995 and more (clustered vectors; with 1,024 it would be .97). A smaller store has no
sketches."""
RATED_PER_WANTED = 4
"""Entries rated exactly for each one wanted, where that is more."""
REFIT_GROWTH = 8
"""Growth of the store after which its sketches are fitted anew."""


class VectorIndex(VectorView):
    """Nearest neighbours in memory."""

    def __init__(self) -> None:
        self._chunks = _Chunks()
        self._loading = _Chunks()
        self._snapshot = self._chunks.publish()

    @override
    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        self._chunks.remove(deleted)
        for batch in batches_of(upserted):
            self._chunks.append(batch)
        self._snapshot = self._chunks.publish()

    @override
    def begin_load(self) -> None:
        self._loading = _Chunks()

    @override
    def load(self, batch: EntryBatch) -> None:
        self._loading.append(batch)

    @override
    def end_load(self) -> None:
        self._chunks, self._loading = self._loading, _Chunks()
        self._snapshot = self._chunks.publish()

    @override
    def snapshot(self) -> VectorSnapshot:
        return self._snapshot


class Users:
    """Numbers of the users who have entries; one whose last entry goes is forgotten."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._counts: dict[int, int] = {}
        self._next = 0

    def find(self, user_id: str | None) -> int:
        """A user's number."""
        return NOBODY if user_id is None else self._numbers.get(user_id, NOBODY)

    def gain(self, user_id: str) -> int:
        """A user's number, for one entry more."""
        number = self._numbers.get(user_id)
        if number is None:
            number = self._numbers[user_id] = self._next
            self._names[number] = user_id
            self._next += 1
        self._counts[number] = self._counts.get(number, 0) + 1
        return number

    def lose(self, number: int) -> None:
        """One entry less."""
        self._counts[number] -= 1
        if not self._counts[number]:
            del self._counts[number]
            del self._numbers[self._names.pop(number)]


class _Chunks:
    """All chunks, and how they were last shown.

    A row's number in the store is its chunk's, times `CHUNK_ROWS`, and its own there.
    """

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []
        self._views: list[ChunkView] = []
        self._touched: set[int] = set()
        self._row_of: dict[str, int] = {}
        self._replaced: dict[int, int] = {}
        self._stale: list[int] = []
        self._due: list[int] = []
        self._users = Users()
        self._sketcher: Sketcher | None = None
        self._fitted_rows = 0

    def remove(self, deleted: Sequence[str]) -> None:
        """Leave entries out, and overwrite what is known of them."""
        for entry_id in deleted:
            row = self._row_of.pop(entry_id, None)
            if row is not None:
                self._kill(row)
            while row is not None:
                self._wipe(row)
                row = self._replaced.pop(row, None)

    def append(self, batch: EntryBatch) -> None:
        """Take over entries, each in place of an older one of its id."""
        users = batch.columns["user_id"]
        entries = Columns(
            batch.columns["entry_id"],
            np.full(len(batch), NOBODY, dtype=np.int32),
            np.array(batch.columns["position"], dtype=np.int64),
            as_fixed(batch.context),
            as_fixed(batch.sentences),
            batch.counts,
        )
        written = self._written(entries, users)
        for row in written:
            entries.users[row] = self._users.gain(users[row])
        rest = entries if len(written) == len(batch) else entries.part(np.array(written, dtype=np.int64))
        while len(rest.ids):
            rest = self._fill(rest)

    def publish(self) -> NumpySnapshot:
        """All chunks as they stand."""
        for row in self._due:
            self._wipe(self._replaced.pop(row, row))
        self._due, self._stale = self._stale, []
        sparse = [number for number in self._touched if self._chunks[number].is_sparse]
        if sparse:
            self._compact(sparse)
        if self._fit():
            self._touched = set(range(len(self._chunks)))
        # A new list: snapshots handed out before keep theirs.
        views = [*self._views, *([None] * (len(self._chunks) - len(self._views)))]
        self._views = [
            self._chunks[number].view(self._sketcher) if view is None or number in self._touched else view
            for number, view in enumerate(views)
        ]
        self._touched = set()
        return NumpySnapshot(self._views, self._row_of, self._replaced, self._users, self._sketcher)

    def _written(self, entries: Columns, users: Sequence[str]) -> list[int]:
        """Which entries are new or have new vectors; most rewritten ones have not, and keep their rows."""
        starts = np.concatenate([[0], np.cumsum(entries.counts)]).tolist()
        written = []
        for at, entry_id in enumerate(entries.ids):
            known = self._row_of.get(entry_id)
            if known is not None:
                number, row = divmod(known, CHUNK_ROWS)
                sentences = entries.sentences[starts[at] : starts[at + 1]]
                user = self._users.find(users[at])
                if self._chunks[number].holds(row, user, entries.context[at], sentences):
                    self._chunks[number].move(row, int(entries.places[at]))
                    self._touched.add(number)
                    continue
            written.append(at)
        return written

    def _fill(self, entries: Columns) -> Columns:
        """Add entries to the first chunk that has room; those that find none."""
        number = next((n for n, chunk in enumerate(self._chunks) if len(chunk) < CHUNK_ROWS), len(self._chunks))
        if number == len(self._chunks):
            self._chunks.append(Chunk(entries.context.shape[1]))
        room = CHUNK_ROWS - len(self._chunks[number])
        own, rest = entries, entries.part(np.arange(0))
        if len(entries.ids) > room:
            own, rest = entries.part(np.arange(room)), entries.part(np.arange(room, len(entries.ids)))
        first = number * CHUNK_ROWS + self._chunks[number].append(own)
        self._touched.add(number)
        for row, entry_id in enumerate(own.ids, first):
            before = self._row_of.get(entry_id)
            if before is not None:
                self._kill(before)
                self._replaced[row] = before
                self._stale.append(row)
            self._row_of[entry_id] = row
        return rest

    def _kill(self, row: int) -> None:
        number, own = divmod(row, CHUNK_ROWS)
        self._users.lose(self._chunks[number].user(own))
        self._chunks[number].kill(own)
        self._touched.add(number)

    def _wipe(self, row: int) -> None:
        number, own = divmod(row, CHUNK_ROWS)
        self._chunks[number].wipe(own)

    def _compact(self, sparse: Sequence[int]) -> None:
        """Copy chunks without their dead rows. Rows get other numbers, so older snapshots keep the former mappings."""
        for row in self._due:
            self._wipe(self._replaced.get(row, row))
        self._due, self._replaced = [], {}
        self._row_of = dict(self._row_of)
        for number in sparse:
            standing = self._chunks[number].standing()
            self._chunks[number] = Chunk(standing.context.shape[1])
            self._chunks[number].append(standing)
            first = number * CHUNK_ROWS
            self._row_of.update(zip(standing.ids, range(first, first + len(standing.ids)), strict=True))

    def _fit(self) -> bool:
        """Fit a sketcher if the store has outgrown its own; whether it did."""
        rows = sum(map(len, self._chunks))
        if rows <= RATED_ROWS or rows < REFIT_GROWTH * self._fitted_rows:
            return False
        step = max(1, rows // SAMPLE)
        self._sketcher = Sketcher(np.concatenate([chunk.sample(step) for chunk in self._chunks]))
        self._fitted_rows = rows
        return True


class NumpySnapshot(VectorSnapshot):
    """All chunks at one moment; what was deleted since is missing.

    Parameters
    ----------
    views
        View of each chunk; never changed.
    row_of, replaced, users
        Row of each entry, the row that each row of a rewritten entry took the place of, numbers of users. Shared with
        the writer, so they may name rows that this snapshot does not have yet.
    sketcher
        What made the views' sketches; None where they have none.
    """

    def __init__(
        self,
        views: list[ChunkView],
        row_of: dict[str, int],
        replaced: dict[int, int],
        users: Users,
        sketcher: Sketcher | None,
    ) -> None:
        self._views = views
        self._row_of = row_of
        self._replaced = replaced
        self._users = users
        self._sketcher = sketcher

    @override
    def search(self, field: str, vector: Vector, scope: Scope, limit: int) -> Candidates:
        if limit < 1:
            return {}
        user = self._users.find(scope.user_id)
        found = [rows for rows in ((view, view.within(scope, user)) for view in self._views) if len(rows[1])]
        rated = max(RATED_ROWS, RATED_PER_WANTED * limit)
        if self._sketcher is not None and sum(len(rows) for _, rows in found) > rated:
            found = _nearest(found, field, self._sketcher.sketch(vector[np.newaxis])[0], rated)
        cosines = [view.cosines(field, vector, rows) for view, rows in found]
        best: list[tuple[str, float]] = []
        for (view, rows), own, chosen in zip(found, cosines, best_of(cosines, limit), strict=True):
            ids = (view.ids[row] for row in rows[chosen].tolist())
            best += zip(ids, own[chosen].tolist(), strict=True)
        return {entry_id: cosine for entry_id, cosine in sorted(best, key=lambda pair: -pair[1]) if entry_id}

    @override
    def scores(self, field: str, vector: Vector, scope: Scope, entry_ids: Sequence[str]) -> Candidates:
        own: dict[int, tuple[list[str], list[int]]] = {}
        for entry_id in entry_ids:
            place = self._place(entry_id)
            if place is not None:
                ids, rows = own.setdefault(place[0], ([], []))
                ids.append(entry_id)
                rows.append(place[1])
        found: Candidates = {}
        for number, (ids, rows) in own.items():
            cosines = self._views[number].cosines(field, vector, np.array(rows, dtype=np.int64))
            found.update(zip(ids, cosines.tolist(), strict=True))
        return found

    def _place(self, entry_id: str) -> tuple[int, int] | None:
        """Chunk and row that an entry had at this snapshot's moment."""
        row = self._row_of.get(entry_id)
        while row is not None:
            number, own = divmod(row, CHUNK_ROWS)
            if number < len(self._views) and own < len(self._views[number].alive):
                return (number, own) if self._views[number].alive[own] else None
            row = self._replaced.get(row)
        return None


def _nearest(
    found: Sequence[tuple[ChunkView, Rows]], field: str, wanted: Matrix, limit: int
) -> list[tuple[ChunkView, Rows]]:
    """Of the rows found, those with the `limit` best vectors by sketch."""
    likeness = [view.likeness(field, wanted, rows) for view, rows in found]
    near = best_of([values for values, _ in likeness], limit)
    chosen = (rows[own] for (_, rows), own in zip(likeness, near, strict=True))
    # Sorted already, so that only neighbours can be the same.
    distinct = (rows[np.diff(rows, prepend=-1) > 0] for rows in chosen)
    return [(view, rows) for (view, _), rows in zip(found, distinct, strict=True) if len(rows)]

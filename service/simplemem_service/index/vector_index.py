"""The vector view in memory: exact cosine by numpy, one partition a user, so that a search touches only its rows.

A partition only ever grows at its end: a snapshot remembers how far it went and which of its rows are alive, so the
writer can go on appending to the very arrays that searches read. Rows of rewritten or deleted entries die in place;
once a quarter of a partition is dead it is copied without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simplemem_service.index.base import CONTEXT, Candidates, Scope, VectorSnapshot, VectorView
from simplemem_service.models.entry import EmbeddedEntry, Vector

DEAD_SHARE = 0.25
"""Share of dead rows above which a partition is copied without them."""
FIRST_ROWS = 16
"""Rows a new partition has room for; the room doubles whenever it is full."""

Matrix = npt.NDArray[np.float32]
"""Unit vectors as rows, shape (rows, dimension), float32."""
Rows = npt.NDArray[np.int64]
"""Row numbers."""


class VectorIndex(VectorView):
    """Exact nearest neighbours in memory."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything; snapshots handed out before stay as they are."""
        self._partitions: dict[str, _Partition] = {}
        self._owners: dict[str, str] = {}
        self._views: dict[str, _PartitionView] = {}

    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        """Take over changes."""
        touched: set[str] = set()
        for entry_id in deleted:
            user_id = self._owners.pop(entry_id, None)
            if user_id is not None:
                self._partitions[user_id].kill(entry_id)
                touched.add(user_id)
        for row in upserted:
            user_id = row.entry.user_id
            partition = self._partitions.setdefault(user_id, _Partition(len(row.embedding)))
            partition.append(row)
            self._owners[row.entry.entry_id] = user_id
            touched.add(user_id)
        self._publish(touched)

    def snapshot(self) -> VectorSnapshot:
        """The view as it stands after the last `apply`."""
        return NumpySnapshot(self._views)

    def _publish(self, touched: Iterable[str]) -> None:
        views = dict(self._views)
        for user_id in touched:
            partition = self._partitions[user_id].compacted()
            if partition is None:
                del self._partitions[user_id]
                views.pop(user_id, None)
            else:
                self._partitions[user_id] = partition
                views[user_id] = partition.view()
        self._views = views


class NumpySnapshot(VectorSnapshot):
    """The partitions of all users at one moment.

    Parameters
    ----------
    views
        View of each user's partition; never changed.
    """

    def __init__(self, views: dict[str, _PartitionView]) -> None:
        self._views = views

    def search(self, field: str, vector: Vector, scope: Scope, limit: int) -> Candidates:
        """Cosine of the entries nearest to a unit vector in one field."""
        found: Candidates = {}
        if limit < 1:
            return found
        for view in self._of(scope):
            found.update(view.best(field, vector, scope.entry_ids, limit))
        best = sorted(found, key=lambda entry_id: -found[entry_id])[:limit]
        return {entry_id: found[entry_id] for entry_id in best}

    def scores(self, field: str, vector: Vector, scope: Scope, entry_ids: Sequence[str]) -> Candidates:
        """Cosine of given entries with a unit vector."""
        found: Candidates = {}
        for view in self._of(scope):
            rows = view.rows_of(entry_ids)
            found.update(zip(view.ids_of(rows), view.cosines(field, vector, rows).tolist(), strict=True))
        return found

    def _of(self, scope: Scope) -> list[_PartitionView]:
        if scope.user_id is None:
            return list(self._views.values())
        return [self._views[scope.user_id]] if scope.user_id in self._views else []


@dataclass(frozen=True, slots=True)
class _PartitionView:
    """A partition as far as it went at one moment."""

    ids: list[str]
    """Entry id of each row; may have grown since."""
    row_of: dict[str, int]
    """Row of each entry; may name rows this view does not have yet."""
    replaced: dict[int, int]
    """Row that each row of a rewritten entry took the place of, by which this view still finds its own."""
    alive: npt.NDArray[np.bool_]
    """Whether a row still stands; its length is that of the view."""
    context: Matrix
    """Vector of each entry in its context, shape (rows, dimension)."""
    sentences: Matrix
    """Vectors of all sentences, an entry's after one another, shape (sentences, dimension)."""
    starts: Rows
    """First sentence of each row, and the end of the last one: one longer than the view."""

    def best(self, field: str, vector: Vector, only: frozenset[str] | None, limit: int) -> Candidates:
        """Cosine of the nearest entries, among given ones or all."""
        if only is not None:
            rows = self.rows_of(only)
            cosines = self.cosines(field, vector, rows)
        else:
            rows = np.flatnonzero(self.alive)
            cosines = self._all_cosines(field, vector)[rows]
        if limit < len(rows):
            top = np.argpartition(cosines, len(rows) - limit)[len(rows) - limit :]
            rows, cosines = rows[top], cosines[top]
        return dict(zip(self.ids_of(rows), cosines.tolist(), strict=True))

    def rows_of(self, entry_ids: Iterable[str]) -> Rows:
        """Rows of those entries that this view has."""
        rows = (self._row(entry_id) for entry_id in entry_ids)
        return np.array([row for row in rows if row is not None and self.alive[row]], dtype=np.int64)

    def _row(self, entry_id: str) -> int | None:
        row = self.row_of.get(entry_id)
        while row is not None and row >= len(self.alive):
            row = self.replaced.get(row)
        return row

    def ids_of(self, rows: Rows) -> list[str]:
        """Entry ids of rows."""
        return [self.ids[row] for row in rows.tolist()]

    def cosines(self, field: str, vector: Vector, rows: Rows) -> npt.NDArray[np.float32]:
        """Cosine of given rows with a unit vector, shape (len(rows),), float32."""
        if not len(rows):
            return np.empty(0, dtype=np.float32)
        if field == CONTEXT:
            return self.context[rows] @ vector
        counts = self.starts[rows + 1] - self.starts[rows]
        ends = np.cumsum(counts)
        picked = np.arange(ends[-1]) + np.repeat(self.starts[rows] - (ends - counts), counts)
        return np.maximum.reduceat(self.sentences[picked] @ vector, ends - counts)

    def _all_cosines(self, field: str, vector: Vector) -> npt.NDArray[np.float32]:
        if field == CONTEXT or not len(self.alive):
            return self.context @ vector
        return np.maximum.reduceat(self.sentences @ vector, self.starts[:-1])


class _Partition:
    """The vectors of one user, written by the index alone.

    Parameters
    ----------
    dimension
        Length of the vectors.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._ids: list[str] = []
        self._row_of: dict[str, int] = {}
        self._replaced: dict[int, int] = {}
        self._alive = np.ones(0, dtype=np.bool_)
        self._context = _GrowingArray((dimension,), np.float32)
        self._sentences = _GrowingArray((dimension,), np.float32)
        self._starts = _GrowingArray((), np.int64)
        self._starts.extend([0])

    def append(self, row: EmbeddedEntry) -> None:
        """Add an entry, in place of an older one of the same id."""
        entry_id = row.entry.entry_id
        before = self._row_of.get(entry_id)
        if before is not None:
            self._settle()
            self._alive[before] = False
            self._replaced[len(self._ids)] = before
        self._row_of[entry_id] = len(self._ids)
        self._ids.append(entry_id)
        self._context.extend([row.embedding])
        sentences = row.sentences or (row.embedding,)
        self._sentences.extend(sentences)
        self._starts.extend([len(self._sentences.rows())])

    def kill(self, entry_id: str) -> None:
        """Leave an entry out of all later views."""
        row = self._row_of.pop(entry_id, None)
        if row is not None:
            self._settle()
            self._alive[row] = False

    def view(self) -> _PartitionView:
        """The partition as it stands."""
        self._settle()
        return _PartitionView(
            ids=self._ids,
            row_of=self._row_of,
            replaced=self._replaced,
            alive=self._alive.copy(),
            context=self._context.rows(),
            sentences=self._sentences.rows(),
            starts=self._starts.rows(),
        )

    def compacted(self) -> _Partition | None:
        """The partition, copied if too much of it is dead; None when nothing is alive."""
        self._settle()
        dead = len(self._alive) - len(self._row_of)
        if not self._row_of:
            return None
        return self if dead <= DEAD_SHARE * len(self._alive) else self._copied()

    def _copied(self) -> _Partition:
        copy = _Partition(self._dimension)
        context, sentences, starts = self._context.rows(), self._sentences.rows(), self._starts.rows()
        for row in np.flatnonzero(self._alive).tolist():
            copy._row_of[self._ids[row]] = len(copy._ids)
            copy._ids.append(self._ids[row])
            copy._context.extend(context[row : row + 1])
            copy._sentences.extend(sentences[starts[row] : starts[row + 1]])
            copy._starts.extend([len(copy._sentences.rows())])
        return copy

    def _settle(self) -> None:
        """Count rows appended since as alive."""
        missing = len(self._ids) - len(self._alive)
        if missing:
            self._alive = np.concatenate([self._alive, np.ones(missing, dtype=np.bool_)])


class _GrowingArray:
    """Rows appended to an array that doubles; rows once given out never change.

    Parameters
    ----------
    shape
        Shape of a row.
    dtype
        Type of its numbers.
    """

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._array: npt.NDArray[Any] = np.empty((FIRST_ROWS, *shape), dtype=dtype)
        self._size = 0

    def extend(self, rows: Sequence[Any] | npt.NDArray[Any]) -> None:
        """Append rows."""
        needed = self._size + len(rows)
        if needed > len(self._array):
            grown = np.empty((max(needed, 2 * len(self._array)), *self._array.shape[1:]), dtype=self._array.dtype)
            grown[: self._size] = self._array[: self._size]
            self._array = grown
        self._array[self._size : needed] = rows
        self._size = needed

    def rows(self) -> npt.NDArray[Any]:
        """All rows so far, without copying."""
        return self._array[: self._size]

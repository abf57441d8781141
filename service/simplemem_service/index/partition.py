"""The vectors of one user: exact cosine by numpy, and the likeness of sketches.

A partition only ever grows at its end: a view remembers how far it went and which of its rows are alive, so the
writer can go on appending to the very arrays that searches read. Rows of rewritten or deleted entries die in place;
once a quarter of a partition is dead it is copied without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simplemem_service.index.base import CONTEXT
from simplemem_service.index.growing import GrowingArray
from simplemem_service.index.sketch import UNIT, Fixed, Matrix, Sketcher, Sketches
from simplemem_service.models.entry import Vector

DEAD_SHARE = 0.25
"""Share of dead rows above which a partition is copied without them."""
Rows = npt.NDArray[np.int64]
"""Row numbers."""


@dataclass(frozen=True, slots=True)
class _SketchView:
    """Sketches of a partition at one moment."""

    context: Matrix
    """Sketch of each entry in its context, shape (rows, length)."""
    sentences: Matrix
    """Sketches of all sentences, shape (sentences, length)."""


@dataclass(frozen=True, slots=True)
class PartitionView:
    """A partition as far as it went at one moment."""

    ids: list[str]
    """Entry id of each row; may have grown since."""
    row_of: dict[str, int]
    """Row of each entry; may name rows this view does not have yet."""
    replaced: dict[int, int]
    """Row that each row of a rewritten entry took the place of, by which this view still finds its own."""
    alive: npt.NDArray[np.bool_]
    """Whether a row still stands; its length is that of the view."""
    context: Fixed
    """Vector of each entry in its context, shape (rows, dimension)."""
    sentences: Fixed
    """Vectors of all sentences, an entry's after one another, shape (sentences, dimension)."""
    starts: Rows
    """First sentence of each row, and the end of the last one: one longer than the view."""
    sketches: _SketchView | None
    """Sketches of both; None in a small store."""

    def candidates(self, only: frozenset[str] | None) -> Rows:
        """Rows that a search may find, among given entries or all."""
        return np.flatnonzero(self.alive) if only is None else self.rows_of(only)

    def rows_of(self, entry_ids: Iterable[str]) -> Rows:
        """Rows of those entries that this view has."""
        rows = (self._row(entry_id) for entry_id in entry_ids)
        return np.array([row for row in rows if row is not None and self.alive[row]], dtype=np.int64)

    def ids_of(self, rows: Rows) -> list[str]:
        """Entry ids of rows."""
        return [self.ids[row] for row in rows.tolist()]

    def cosines(self, field: str, vector: Vector, rows: Rows) -> npt.NDArray[np.float32]:
        """Cosine of given rows with a unit vector, shape (len(rows),), float32."""
        if not len(rows):
            return np.empty(0, dtype=np.float32)
        if field == CONTEXT:
            return products(self.context[rows].astype(np.float32), vector * UNIT)
        picked, firsts = sentences_of(self.starts, rows)
        return np.maximum.reduceat(products(self.sentences[picked].astype(np.float32), vector * UNIT), firsts)

    def _row(self, entry_id: str) -> int | None:
        row = self.row_of.get(entry_id)
        while row is not None and row >= len(self.alive):
            row = self.replaced.get(row)
        return row

    def likeness(self, field: str, wanted: Matrix, rows: Rows) -> npt.NDArray[np.float32]:
        """Product of the sketches of rows with a vector's sketch; there must be sketches."""
        if self.sketches is None:
            raise ValueError("a view without sketches knows no likeness; rate its rows exactly")
        if field == CONTEXT:
            found = products(self.sketches.context, wanted)
        else:
            found = np.maximum.reduceat(products(self.sketches.sentences, wanted), self.starts[:-1])
        likeness: npt.NDArray[np.float32] = found[rows]
        return likeness


class Partition:
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
        self._context = GrowingArray((dimension,), np.int16)
        self._sentences = GrowingArray((dimension,), np.int16)
        self._starts = GrowingArray((), np.int64)
        self._starts.extend([0])
        self._sketcher: Sketcher | None = None
        self._sketches: tuple[Sketches, Sketches] | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def append(self, ids: Sequence[str], context: Fixed, sentences: Fixed, counts: Rows) -> None:
        """Add entries, in place of older ones of the same ids; counts: number of sentences of each."""
        first = len(self._ids)
        self._ids += ids
        self._context.extend(context)
        self._starts.extend(len(self._sentences) + np.cumsum(counts))
        self._sentences.extend(sentences)
        self._alive = np.concatenate([self._alive, np.ones(len(ids), dtype=np.bool_)])
        for row, entry_id in enumerate(ids, first):
            before = self._row_of.get(entry_id)
            if before is not None:
                self._alive[before] = False
                self._replaced[row] = before
            self._row_of[entry_id] = row

    def kill(self, entry_id: str) -> None:
        """Leave an entry out of all later views."""
        row = self._row_of.pop(entry_id, None)
        if row is not None:
            self._alive[row] = False

    def sample(self, step: int) -> Fixed:
        """Every so-many-th vector of a sentence."""
        return self._sentences.rows()[::step]

    def view(self, sketcher: Sketcher | None) -> PartitionView:
        """The partition as it stands, with sketches by the sketcher if there is one."""
        return PartitionView(
            ids=self._ids,
            row_of=self._row_of,
            replaced=self._replaced,
            alive=self._alive.copy(),
            context=self._context.rows(),
            sentences=self._sentences.rows(),
            starts=self._starts.rows(),
            sketches=self._sketch(sketcher),
        )

    def compacted(self) -> Partition | None:
        """The partition, copied if too much of it is dead; None when nothing is alive."""
        dead = len(self._alive) - len(self._row_of)
        if not self._row_of:
            return None
        return self if dead <= DEAD_SHARE * len(self._alive) else self._copied()

    def _copied(self) -> Partition:
        live = np.flatnonzero(self._alive)
        starts = self._starts.rows()
        picked, _ = sentences_of(starts, live)
        copy = Partition(self._dimension)
        ids = [self._ids[row] for row in live.tolist()]
        counts = starts[live + 1] - starts[live]
        copy.append(ids, self._context.rows()[live], self._sentences.rows()[picked], counts)
        return copy

    def _sketch(self, sketcher: Sketcher | None) -> _SketchView | None:
        if sketcher is None:
            return None
        if self._sketches is None or sketcher is not self._sketcher:
            self._sketcher, self._sketches = sketcher, (Sketches(sketcher), Sketches(sketcher))
        of_context, of_sentences = self._sketches
        return _SketchView(of_context.follow(self._context.rows()), of_sentences.follow(self._sentences.rows()))


def products(vectors: Matrix, vector: Vector) -> npt.NDArray[np.float32]:
    """Product of each row with a vector, in this thread.

    OpenBLAS would share the work out to threads that wait for one another: where other processes use the cores, that
    makes 1 ms into 8. Searches run side by side already.
    """
    found: npt.NDArray[np.float32] = np.einsum("ij,j->i", vectors, vector)
    return found


def sentences_of(starts: Rows, rows: Rows) -> tuple[Rows, Rows]:
    """Numbers of the sentences of rows, an entry's after one another, and where each row's begin among them."""
    counts = starts[rows + 1] - starts[rows]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts[rows] - (ends - counts), counts), ends - counts

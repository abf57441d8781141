"""Some tens of thousands of entries' vectors: their columns, how a scope picks among them, and their cosines.

A chunk only ever grows at its end: a view remembers how far it went and which of its rows were alive, so the writer can
go on appending to the very arrays that searches read. The rows of all users stand in the order they came, so that a
search over many users is a few products of large matrices; a user's own are found by one comparison of a column.
Vectors of deleted entries are overwritten with zeros at once, in older views, too; the row itself stands dead until a
quarter of the chunk is, which is then copied without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from simplemem_service.index.base import CONTEXT, SENTENCES, Scope
from simplemem_service.index.growing import GrowingArray
from simplemem_service.index.sketch import UNIT, Fixed, Matrix, Sketcher, Sketches
from simplemem_service.models.entry import Vector

CHUNK_ROWS = 65_536
"""Entries of a chunk: enough for numpy to forget what a call costs (.1 ms a chunk), few enough to copy in .1 s."""
DEAD_SHARE = 0.25
"""Share of dead rows above which a chunk is copied without them."""
PRODUCT_ROWS = 256
"""Vectors copied and multiplied at a time, .4 MB at 384 dimensions."""
NOBODY = -1
"""Number of a user who has no entries."""

Rows = npt.NDArray[np.int64]
"""Row numbers within a chunk."""
Values = npt.NDArray[np.float32]
"""A number for each of some rows."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Entries on their way into a chunk, a row each."""

    ids: list[str]
    """Their ids."""
    users: npt.NDArray[np.int32]
    """Number of the user of each."""
    places: Rows
    """Position of each within the store."""
    context: Fixed
    """Vector of each in its context, shape (rows, dimension)."""
    sentences: Fixed
    """Vectors of all sentences, an entry's after one another, shape (sentences, dimension)."""
    counts: Rows
    """Number of sentences of each; at least one."""

    def part(self, rows: Rows) -> Columns:
        """Some of them, in the order given."""
        starts = np.concatenate([[0], np.cumsum(self.counts)])
        picked, _ = sentences_of(starts, rows)
        ids = [self.ids[row] for row in rows.tolist()]
        return Columns(
            ids, self.users[rows], self.places[rows], self.context[rows], self.sentences[picked], self.counts[rows]
        )


@dataclass(frozen=True)
class ChunkView:
    """A chunk as far as it went at one moment."""

    ids: list[str]
    """Entry id of each row, empty for one deleted since; may have grown since."""
    alive: npt.NDArray[np.bool_]
    """Whether a row stood; its length is that of the view."""
    users: npt.NDArray[np.int32]
    """Number of each row's user."""
    places: Rows
    """Position of each row's entry."""
    context: Fixed
    """Vector of each entry in its context, shape (rows, dimension)."""
    sentences: Fixed
    """Vectors of all sentences, shape (sentences, dimension)."""
    starts: Rows
    """First sentence of each row, and the end of the last one: one longer than the view."""
    sketches: Mapping[str, Matrix]
    """Sketches of both, by the field; none in a small store."""

    @cached_property
    def standing(self) -> Rows:
        """All rows that stood."""
        return np.flatnonzero(self.alive)

    @cached_property
    def _sentence_rows(self) -> Rows:
        """Row of each sentence."""
        return np.repeat(np.arange(len(self.alive)), np.diff(self.starts))

    @cached_property
    def _by_place(self) -> tuple[Rows, Rows]:
        """Positions in order, and the row of each."""
        rows = self.standing
        places = self.places[rows]
        if np.any(places[1:] < places[:-1]):
            order = np.argsort(places, kind="stable")
            return places[order], rows[order]
        return places, rows

    def within(self, scope: Scope, user: int) -> Rows:
        """Rows in a scope, whose user has that number."""
        if scope.places is not None:
            return self._at(scope.places)
        if scope.user_id is None:
            return self.standing
        return np.flatnonzero((self.users == user) & self.alive)

    def cosines(self, field_name: str, vector: Vector, rows: Rows) -> Values:
        """Cosine of given rows with a unit vector, shape (len(rows),), float32."""
        if not len(rows):
            return np.empty(0, dtype=np.float32)
        if field_name == CONTEXT:
            return _products_of(self.context, rows, vector * UNIT)
        picked, firsts = sentences_of(self.starts, rows)
        return np.maximum.reduceat(_products_of(self.sentences, picked, vector * UNIT), firsts)

    def likeness(self, field_name: str, wanted: Matrix, rows: Rows) -> tuple[Values, Rows]:
        """Products of the sketches of rows with a vector's sketch, and the row of each: one an entry in its context,
        one for each of its sentences.

        There must be sketches.
        """
        if 2 * len(rows) > len(self.alive):
            return self._likeness_of_most(field_name, wanted, rows)
        if field_name == CONTEXT:
            return products(self.sketches[CONTEXT][rows], wanted), rows
        picked, _ = sentences_of(self.starts, rows)
        counts = self.starts[rows + 1] - self.starts[rows]
        return products(self.sketches[SENTENCES][picked], wanted), np.repeat(rows, counts)

    def _likeness_of_most(self, field_name: str, wanted: Matrix, rows: Rows) -> tuple[Values, Rows]:
        """The same from the whole matrix: to copy most of it would take longer than to multiply all of it."""
        values = products(self.sketches[field_name], wanted)
        of_rows = self._sentence_rows if field_name == SENTENCES else np.arange(len(self.alive))
        if len(rows) == len(self.alive):
            return values, of_rows
        is_meant = np.zeros(len(self.alive), dtype=np.bool_)
        is_meant[rows] = True
        chosen = is_meant[of_rows]
        return values[chosen], of_rows[chosen]

    def _at(self, wanted: Rows) -> Rows:
        """Rows of the entries at given positions, which are in order."""
        places, rows = self._by_place
        if not len(places):
            return rows
        first, last = np.searchsorted(wanted, [places[0], places[-1] + 1])
        wanted = wanted[first:last]
        found = np.searchsorted(places, wanted)
        return np.sort(rows[found[places[found] == wanted]])


class Chunk:
    """Vectors of some entries, written by the index alone.

    Parameters
    ----------
    dimension
        Length of the vectors.
    """

    def __init__(self, dimension: int) -> None:
        self.ids: list[str] = []
        """Entry id of each row; empty for a deleted one."""
        self._dimension = dimension
        self._alive = GrowingArray((), np.bool_)
        self._users = GrowingArray((), np.int32)
        self._places = GrowingArray((), np.int64)
        self._context = GrowingArray((dimension,), np.int16)
        self._sentences = GrowingArray((dimension,), np.int16)
        self._starts = GrowingArray((), np.int64)
        self._starts.extend([0])
        self._sketcher: Sketcher | None = None
        self._sketches: tuple[Sketches, Sketches] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_sparse(self) -> bool:
        """Whether so many of its rows are dead that it is worth a copy."""
        alive = self._alive.rows()
        return bool(len(alive) - np.count_nonzero(alive) > DEAD_SHARE * len(alive))

    def append(self, entries: Columns) -> int:
        """Add entries; the row of the first."""
        first = len(self.ids)
        self._users.extend(entries.users)
        self._places.extend(entries.places)
        self._context.extend(entries.context)
        self._starts.extend(len(self._sentences) + np.cumsum(entries.counts))
        self._sentences.extend(entries.sentences)
        self._alive.extend(np.ones(len(entries.ids), dtype=np.bool_))
        self.ids += entries.ids
        return first

    def user(self, row: int) -> int:
        """Number of a row's user."""
        return int(self._users.rows()[row])

    def holds(self, row: int, user: int, context: Fixed, sentences: Fixed) -> bool:
        """Whether a row is of that user and has those vectors."""
        starts = self._starts.rows()
        return (
            self.user(row) == user
            and np.array_equal(self._context.rows()[row], context)
            and np.array_equal(self._sentences.rows()[starts[row] : starts[row + 1]], sentences)
        )

    def move(self, row: int, place: int) -> None:
        """Give a row's entry another position."""
        self._places.rows()[row] = place

    def kill(self, row: int) -> None:
        """Leave a row out of all later views."""
        self._alive.rows()[row] = False

    def wipe(self, row: int) -> None:
        """Overwrite all that is known of a row with nothing, for older views, too."""
        starts = self._starts.rows()
        own = slice(starts[row], starts[row + 1])
        self._context.rows()[row] = 0
        self._sentences.rows()[own] = 0
        if self._sketches is not None:
            of_context, of_sentences = self._sketches
            of_context.wipe(slice(row, row + 1))
            of_sentences.wipe(own)
        self.ids[row] = ""

    def sample(self, step: int) -> Fixed:
        """Every so-many-th vector of a sentence."""
        return self._sentences.rows()[::step]

    def standing(self) -> Columns:
        """The rows that stand, by themselves."""
        rows = np.flatnonzero(self._alive.rows())
        everything = Columns(
            self.ids,
            self._users.rows(),
            self._places.rows(),
            self._context.rows(),
            self._sentences.rows(),
            np.diff(self._starts.rows()),
        )
        return everything.part(rows)

    def view(self, sketcher: Sketcher | None) -> ChunkView:
        """The chunk as it stands, with sketches by the sketcher if there is one."""
        context, sentences = self._context.rows(), self._sentences.rows()
        sketches: dict[str, Matrix] = {}
        if sketcher is not None:
            if self._sketches is None or sketcher is not self._sketcher:
                self._sketcher, self._sketches = sketcher, (Sketches(sketcher), Sketches(sketcher))
            of_context, of_sentences = self._sketches
            sketches = {CONTEXT: of_context.follow(context), SENTENCES: of_sentences.follow(sentences)}
        return ChunkView(
            ids=self.ids,
            alive=self._alive.rows().copy(),
            users=self._users.rows(),
            places=self._places.rows(),
            context=context,
            sentences=sentences,
            starts=self._starts.rows(),
            sketches=sketches,
        )


def products(vectors: Matrix, vector: Vector) -> Values:
    """Product of each row with a vector, in this thread.

    OpenBLAS would share the work out to threads that wait for one another: where other processes use the cores, that
    makes 1 ms into 8. Searches run side by side already.
    """
    found: Values = np.einsum("ij,j->i", vectors, vector)
    return found


def _products_of(vectors: Fixed, rows: Rows, vector: Vector) -> Values:
    """Product of given rows with a vector, some rows at a time: copies that stay in the cache take two thirds."""
    found = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), PRODUCT_ROWS):
        part = rows[start : start + PRODUCT_ROWS]
        found[start : start + len(part)] = products(vectors[part].astype(np.float32), vector)
    return found


def sentences_of(starts: Rows, rows: Rows) -> tuple[Rows, Rows]:
    """Numbers of the sentences of rows, an entry's after one another, and where each row's begin among them."""
    counts = starts[rows + 1] - starts[rows]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts[rows] - (ends - counts), counts), ends - counts


def best_of(values: Sequence[Values], limit: int) -> list[Rows]:
    """Where in each of some arrays the `limit` largest of all values stand."""
    joined = np.concatenate([np.empty(0, np.float32), *values])
    ends = np.cumsum([len(own) for own in values])[:-1]
    if limit >= len(joined):
        return [np.arange(len(own)) for own in values]
    chosen = np.sort(np.argpartition(joined, len(joined) - limit)[len(joined) - limit :])
    firsts = [0, *ends.tolist()]
    parts = np.split(chosen, np.searchsorted(chosen, ends))
    return [part - first for part, first in zip(parts, firsts, strict=True)]

"""What retrieval asks of an index, whatever stands behind it.

A view is written by one follower and read by any number of searches. It hands out snapshots: a search works on one
snapshot from its first step to its last, so it never sees half a change and waits for no lock.

Every snapshot is asked in two steps: `search` gives its best candidates, then `scores` rates the union of all views'
candidates, since a candidate missing from one view's top must still get that view's true score (retrieval loses
1.3 points of recall otherwise).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simplemem_service.models.entry import EmbeddedEntry, Entry, Vector
from simplemem_service.storage.entry_rows import EntryBatch

Candidates = dict[str, float]
"""Raw score of each candidate, by entry id."""

CONTEXT = "context"
"""Field of both views: an entry together with its neighbours."""
BIGRAMS = "bigrams"
"""Field of the lexical view: pairs of adjacent terms of the entry itself."""
SENTENCES = "sentences"
"""Field of the vector view: the best of an entry's sentences."""


Places = npt.NDArray[np.int64]
"""Positions of entries within the store, rising."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """Where a search may look."""

    user_id: str | None = None
    """Whose entries; None for everybody's."""
    places: Places | None = None
    """Only entries at these positions, all of them of the user above where one is named; None for no such limit. An
    array, since a filter may let hundreds of thousands pass."""

    def allows(self, entry: Entry) -> bool:
        """Whether an entry may be found."""
        if self.places is not None:
            at = int(np.searchsorted(self.places, entry.position))
            if at == len(self.places) or self.places[at] != entry.position:
                return False
        return self.user_id in (None, entry.user_id)

    def narrowed(self, places: Places) -> Scope:
        """The part of it at given positions."""
        own = places if self.places is None else np.intersect1d(self.places, places, assume_unique=True)
        return Scope(self.user_id, own)


class Loadable(ABC):
    """A view that can take over the whole table batch by batch, while its snapshots show what it was before.

    A load that is not ended is forgotten by the next one's beginning. Blocking: call it in a thread.
    """

    @abstractmethod
    def begin_load(self) -> None:
        """Begin to take over a whole table."""

    @abstractmethod
    def load(self, batch: EntryBatch) -> None:
        """Take over some of its entries."""

    @abstractmethod
    def end_load(self) -> None:
        """What was loaded is all there is; visible to the next snapshot."""


class LexicalSnapshot(ABC):
    """The lexical view as it stood at one moment; safe to read from any thread."""

    @abstractmethod
    def search(self, field: str, terms: Sequence[str], scope: Scope, limit: int) -> Candidates:
        """BM25 of the best entries for analysed terms in one field, at most `limit`; those without any are left out."""

    @abstractmethod
    def scores(self, field: str, terms: Sequence[str], scope: Scope, entry_ids: Sequence[str]) -> Candidates:
        """BM25 of given entries; an entry without any of the terms is left out, its score being 0."""


class LexicalView(Loadable):
    """Words: BM25 over an entry together with its neighbours, and over its bigrams. Errors are `IndexBrokenError`s."""

    @abstractmethod
    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        """Take over changes; visible to the next snapshot. Blocking: call it in a thread, one call at a time."""

    @property
    def is_tidy(self) -> bool:
        """Whether no words of removed entries are kept on disk."""
        return True

    def tidy(self) -> None:
        """Take some of the words of removed entries out of what is kept on disk; visible to the next snapshot.

        Blocking, for a fraction of a second; not beside `apply`.
        """

    @abstractmethod
    def reset(self) -> None:
        """Forget everything, what was kept on disk included; snapshots handed out before stay as they are."""

    @abstractmethod
    def snapshot(self) -> LexicalSnapshot:
        """The view as it stands after the last `apply`."""


class VectorSnapshot(ABC):
    """The vector view as it stood at one moment; safe to read from any thread."""

    @abstractmethod
    def search(self, field: str, vector: Vector, scope: Scope, limit: int) -> Candidates:
        """Cosine in [-1, 1] of the entries nearest to a unit vector in one field, at most `limit`."""

    @abstractmethod
    def scores(self, field: str, vector: Vector, scope: Scope, entry_ids: Sequence[str]) -> Candidates:
        """Cosine of given entries with a unit vector, in [-1, 1]; entries that are not there are left out."""


class VectorView(Loadable):
    """Meaning: cosine with the entry in its context, and the best of its sentences."""

    @abstractmethod
    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        """Take over changes; visible to the next snapshot. One call at a time."""

    @abstractmethod
    def snapshot(self) -> VectorSnapshot:
        """The view as it stands after the last `apply`."""

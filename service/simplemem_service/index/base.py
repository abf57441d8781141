"""What retrieval asks of an index, whatever stands behind it.

Every view is asked in two steps: `search` gives its best candidates, then `scores` rates the union of all views'
candidates, since a candidate missing from one view's top must still get that view's true score (retrieval loses
1.3 points of recall otherwise).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from simplemem_service.models.entry import EmbeddedEntry, Vector

Candidates = dict[str, float]
"""Raw score of each candidate, by entry id."""


class LexicalView(ABC):
    """Words: BM25 over an entry together with its neighbours, and over its bigrams."""

    @abstractmethod
    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        """Take over changes; visible to the next search. Blocking: call it in a thread."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything."""

    @abstractmethod
    def search(self, field: str, terms: Sequence[str], allowed: frozenset[str] | str | None, limit: int) -> Candidates:
        """The best entries for analysed terms in one field; `allowed`: a user id, entry ids, or None for all."""

    @abstractmethod
    def scores(self, field: str, terms: Sequence[str], entry_ids: Sequence[str]) -> Candidates:
        """BM25 of given entries; an entry without any of the terms scores 0."""


class VectorView(ABC):
    """Meaning: cosine with the entry in its context, and the best of its sentences."""

    @abstractmethod
    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        """Take over changes; visible to the next search."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything."""

    @abstractmethod
    def search(self, field: str, vector: Vector, allowed: frozenset[str] | str | None, limit: int) -> Candidates:
        """The entries nearest to a unit vector in one field; `allowed` as for words."""

    @abstractmethod
    def scores(self, field: str, vector: Vector, entry_ids: Sequence[str]) -> Candidates:
        """Cosine of given entries with a unit vector, in [-1, 1]."""

"""What the lexical view reads of an entry: its own words, weighted, among those of its neighbours in the session.

A turn is often understood only from the turns around it ("Yes, last week!"), so an entry is indexed with the two
entries before and after it. Its own words count three times: fewer, and long turns drown in their neighbours.
A new entry therefore changes what its neighbours look like; `Neighbourhood` says which.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from simplemem_service.index.analysis import bigrams, tokenize
from simplemem_service.models.entry import EmbeddedEntry, Entry

SPAN = 2
"""Neighbours read on each side."""
OWN_WEIGHT = 3
"""How often an entry's own words count where its neighbours' count once."""


class Document(NamedTuple):
    """An entry as the lexical view indexes it."""

    entry: Entry
    """The entry itself."""
    context: tuple[str, ...]
    """Terms of the entry, `OWN_WEIGHT` times, and of its neighbours."""
    bigrams: tuple[str, ...]
    """Pairs of adjacent terms of the entry alone."""


class Neighbourhood:
    """The entries of every session in order of position. Used by one writer; not for concurrent use."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._sessions: dict[tuple[str, str], list[tuple[int, str]]] = {}

    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> list[Document]:
        """Take over changes; the documents to index anew: what was written and the neighbours of all that changed."""
        touched: set[str] = set()
        for entry_id in deleted:
            touched |= self._remove(entry_id)
        for row in upserted:
            touched |= self._remove(row.entry.entry_id)
            touched |= self._insert(row.entry)
        return [self._document(self._entries[entry_id]) for entry_id in touched if entry_id in self._entries]

    def _insert(self, entry: Entry) -> set[str]:
        self._entries[entry.entry_id] = entry
        order = self._sessions.setdefault((entry.user_id, entry.session_id), [])
        place = (entry.position, entry.entry_id)
        bisect.insort(order, place)
        return {entry.entry_id, *self._around(entry)}

    def _remove(self, entry_id: str) -> set[str]:
        entry = self._entries.pop(entry_id, None)
        if entry is None:
            return set()
        neighbours = set(self._around(entry))
        order = self._sessions[entry.user_id, entry.session_id]
        order.remove((entry.position, entry_id))
        if not order:
            del self._sessions[entry.user_id, entry.session_id]
        return neighbours

    def _around(self, entry: Entry) -> Iterable[str]:
        """Ids of the neighbours of an entry that stands in its session's order."""
        order = self._sessions[entry.user_id, entry.session_id]
        at = bisect.bisect_left(order, (entry.position, entry.entry_id))
        return [entry_id for _, entry_id in (*order[max(0, at - SPAN) : at], *order[at + 1 : at + 1 + SPAN])]

    def _document(self, entry: Entry) -> Document:
        own = _terms(entry.speaker, entry.text)
        around = [self._entries[entry_id] for entry_id in self._around(entry)]
        others = [term for other in around for term in _terms(other.speaker, other.text)]
        return Document(entry, own * OWN_WEIGHT + tuple(others), bigrams(own))


@lru_cache(maxsize=4096)
def _terms(speaker: str, text: str) -> tuple[str, ...]:
    """Terms of a turn; remembered for a while, since each is needed by five documents."""
    return tokenize(f"{speaker}: {text}")

"""What the lexical view reads of an entry: its own words, weighted, among those of its neighbours in the session.

What is read is the restatement: in it "I" has its name and "yesterday" its date. A turn is often understood only from
the turns around it ("Yes, last week!"), so an entry is indexed with the two entries before and after it. Its own words
count most: with less weight long turns drown in their neighbours. A new entry therefore changes what its neighbours
look like; `Neighbourhood` says which.

Of an entry only its words and its place are kept, some 300 bytes; its terms are made when it or a neighbour is indexed.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from simplemem_service.index.analysis import bigrams, document_terms, tokenize
from simplemem_service.index.languages import Language, detect_language
from simplemem_service.index.session_order import SessionOrder
from simplemem_service.models.entry import CANARY_USER, EmbeddedEntry
from simplemem_service.storage.entry_rows import EntryBatch, batches_of

SPAN = 2
"""Neighbours read on each side."""
OWN_WEIGHT = 4
"""How often an entry's own words count where those of the neighbours farthest from it count once."""
NEXT_WEIGHT = 2
"""How often the words of the entries right before and after it count."""


class Document(NamedTuple):
    """An entry as the lexical view indexes it."""

    entry_id: str
    """The entry."""
    user_id: str
    """Whose memory it belongs to."""
    position: int
    """Its order within the store, never reused."""
    context: tuple[str, ...]
    """Terms of the entry, `OWN_WEIGHT` times, and of its neighbours, those next to it `NEXT_WEIGHT` times."""
    bigrams: tuple[str, ...]
    """Pairs of adjacent terms of the entry alone."""
    digest: int
    """32 bits of what the document is made of."""


class Neighbourhood:
    """The entries of every session in order of position. Used by one writer; not for concurrent use."""

    def __init__(self) -> None:
        self.gone: list[int] = []
        """Positions whose entries the last `apply` took away or rewrote."""
        self._rows: dict[str, int] = {}
        self._ids: list[str] = []
        self._texts: list[str] = []
        self._positions = array("q")
        self._sessions: dict[tuple[str, str], SessionOrder] = {}
        self._session_of: list[tuple[str, str]] = []

    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> list[Document]:
        """Take over changes; the documents to index anew: what was written and the neighbours of all that changed."""
        touched: set[int] = set()
        self.gone = []
        for entry_id in deleted:
            touched |= self._remove(entry_id)
        if deleted:
            # What was deleted must not live on in what is remembered of texts.
            _terms.cache_clear()
            _detect.cache_clear()
        for batch in batches_of(upserted):
            touched |= self.insert(batch)
        return [self.document(row) for row in sorted(touched) if self._rows.get(self._ids[row]) == row]

    def insert(self, batch: EntryBatch) -> set[int]:
        """Take over entries written or rewritten; the rows whose documents that changes."""
        columns = batch.columns
        names = ("entry_id", "user_id", "session_id", "position", "lossless_restatement")
        touched: set[int] = set()
        for entry_id, user_id, session_id, position, text in zip(*(columns[name] for name in names), strict=True):
            if entry_id in self._rows:
                touched |= self._remove(entry_id)
            touched |= self._append(entry_id, (user_id, session_id), position, text)
        return touched

    def rows(self) -> Iterable[int]:
        """Rows of all entries."""
        return self._rows.values()

    def position(self, row: int) -> int:
        """Position of the entry of a row."""
        return self._positions[row]

    def row_of(self, entry_id: str) -> int | None:
        """Row of an entry; None if it is not there."""
        return self._rows.get(entry_id)

    def positions_said(self, entry_ids: Iterable[str]) -> list[int]:
        """Positions of those of some entries that hold anybody's words, which the service's own do not."""
        rows = (row for entry_id in entry_ids if (row := self._rows.get(entry_id)) is not None)
        return [self._positions[row] for row in rows if self._session_of[row][0] != CANARY_USER]

    def position_of(self, entry_id: str) -> int | None:
        """Position of an entry; None if it is not there."""
        row = self._rows.get(entry_id)
        return None if row is None else self._positions[row]

    def places(self) -> Iterator[tuple[str, int]]:
        """Id and position of all entries."""
        return ((entry_id, self._positions[row]) for entry_id, row in self._rows.items())

    def digest(self, row: int) -> int:
        """Digest of a row's document, without making it."""
        parts = (self._ids[row], self._session_of[row][0], self._texts[row])
        around = (self._texts[other] for other in self._around(row))
        return zlib.crc32("\x1f".join((*parts, *around)).encode())

    def document(self, row: int) -> Document:
        """The document of a row."""
        languages = self._languages([row, *self._around(row)])
        own = _terms(self._texts[row], languages[row])
        order = self._sessions[self._session_of[row]]
        beside = order.around(self._positions[row], row, 1)
        others = [
            term for other in (*self._around(row), *beside) for term in _terms(self._texts[other], languages[other])
        ]
        return Document(
            self._ids[row],
            self._session_of[row][0],
            self._positions[row],
            own * OWN_WEIGHT + tuple(others),
            # Where the terms are those of the text alone, they need not be made again.
            bigrams(own if languages[row] is Language.ENGLISH else tokenize(self._texts[row], languages[row])),
            self.digest(row),
        )

    def _languages(self, rows: Sequence[int]) -> dict[int, Language]:
        """Language of each entry; that of all of them together where its own words do not tell."""
        own = {row: _detect(self._texts[row]) for row in rows}
        if None not in own.values():
            return {row: language for row, language in own.items() if language}
        joined = detect_language(" ".join(self._texts[row] for row in rows)) or Language.ENGLISH
        return {row: language or joined for row, language in own.items()}

    def _append(self, entry_id: str, session: tuple[str, str], position: int, text: str) -> set[int]:
        row = self._rows[entry_id] = len(self._ids)
        order = self._sessions.get(session)
        if order is None:
            order = self._sessions[session] = SessionOrder()
        else:
            # One tuple for all entries of a session.
            session = self._session_of[order.first()]
        self._ids.append(entry_id)
        self._texts.append(text)
        self._positions.append(position)
        self._session_of.append(session)
        order.add(position, row)
        return {row, *self._around(row)}

    def _remove(self, entry_id: str) -> set[int]:
        row = self._rows.pop(entry_id, None)
        if row is None:
            return set()
        neighbours = set(self._around(row))
        session = self._session_of[row]
        order = self._sessions[session]
        order.remove(self._positions[row], row)
        self._ids[row] = self._texts[row] = ""
        self._session_of[row] = ("", "")
        self.gone.append(self._positions[row])
        if not len(order):
            del self._sessions[session]
        return neighbours

    def _around(self, row: int) -> list[int]:
        """Rows of the neighbours of a row that stands in its session's order."""
        return self._sessions[self._session_of[row]].around(self._positions[row], row, SPAN)


@lru_cache(maxsize=4096)
def _terms(text: str, language: Language) -> tuple[str, ...]:
    """Terms of a turn; remembered for a while, since each is needed by five documents."""
    return document_terms(text, language)


_detect = lru_cache(maxsize=4096)(detect_language)

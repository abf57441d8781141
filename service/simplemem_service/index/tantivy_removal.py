"""Removal of words from the files of a tantivy index.

Tantivy marks a removed document and keeps its words in the segment's files until some later merge, which for a large
segment may never come. So the documents that share a segment with a removed one are written anew, some at a time; the
segment goes with its last one. A mark beside the files outlives the process: an index left with it is made anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tantivy

MARK = "holds-removed-words"
"""File that lies in the index's folder until nothing of what was removed is left in it."""


def check_removed(place: Path) -> None:
    """Return if no words of removed documents are in the files; `ValueError` where a process ended before that."""
    if (place / MARK).exists():
        raise ValueError("it holds words of entries that were removed")


class Removal:
    """Rows whose documents have yet to be written anew. Used by one thread at a time.

    Parameters
    ----------
    place
        Folder of the index; None if it is in memory, where a removed document leaves nothing that outlives it.
    field
        Fast field with a document's row.
    """

    def __init__(self, place: Path | None, field: str) -> None:
        self._place = place
        self._field = field
        self._rows: set[int] = set()
        self._is_open = False

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to write anew."""
        return not self._is_open

    @property
    def is_wanted(self) -> bool:
        """Whether removed documents leave anything behind."""
        return self._place is not None

    def begin(self, searcher: Any, removed: Iterable[int]) -> None:
        """Note which documents share a segment with those that are about to be removed, while those are still found.

        No merge may be under way: its result would hold the words in a segment that is not known here.
        """
        if self._place is None:
            return
        wanted = set(removed)
        hits = searcher.search(tantivy.Query.all_query(), max(1, searcher.num_docs), count=False).hits
        addresses = [address for _, address in hits]
        rows = searcher.fast_field_values(self._field, addresses)
        segments = {address.segment_ord for address, row in zip(addresses, rows, strict=True) if row in wanted}
        if not segments:
            return
        (self._place / MARK).touch()
        self._is_open = True
        self._rows |= {row for address, row in zip(addresses, rows, strict=True) if address.segment_ord in segments}
        self._rows -= wanted

    def take(self, limit: int) -> list[int]:
        """Some of the rows; each is given once."""
        return [self._rows.pop() for _ in range(min(limit, len(self._rows)))]

    def end(self) -> None:
        """What was taken has been written; the mark goes with the last of it."""
        if not self._rows and self._place is not None:
            (self._place / MARK).unlink(missing_ok=True)
            self._is_open = False

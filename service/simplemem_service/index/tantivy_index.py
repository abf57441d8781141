"""The lexical view on tantivy: BM25 in Rust, in memory or in a disposable folder.

Queries are built from analysed terms, never from the user's string, so no syntax can reach tantivy's parser. Rows are
signed integers, since tantivy 0.27 deletes nothing by an unsigned term; a row is the entry's position in the store.

An index on disk outlives the process. Each document carries a digest of what it was made of, so after a restart (or
whenever the whole table is read again) only the documents that differ are written, whatever happened meanwhile: a
crash before a commit, changes by others, a store restored from a backup. What would analyse the same words to other
terms lies in a folder of another name.
"""

from __future__ import annotations

import logging
import shutil
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tantivy
from typing_extensions import override

from simplemem_service.errors import IndexBrokenError
from simplemem_service.index import analysis, languages, neighbourhood
from simplemem_service.index.base import BIGRAMS, CONTEXT, Candidates, LexicalSnapshot, LexicalView, Places, Scope
from simplemem_service.index.neighbourhood import Document, Neighbourhood
from simplemem_service.index.tantivy_files import check_files
from simplemem_service.index.tantivy_removal import Removal, check_removed
from simplemem_service.models.entry import EmbeddedEntry
from simplemem_service.storage.entry_rows import EntryBatch

logger = logging.getLogger(__name__)

HEAP_BYTES = 32_000_000
"""Memory of the one writer thread; tantivy refuses less than 15 MB."""
COMMIT_DOCUMENTS = 50_000
"""Documents of a load after which they are committed, so that a process that is killed does not begin anew."""
ASKED_PLACES = 1_000
"""Positions that a filter may leave for each to be asked for: 3 ms with 100,000 documents, 7 with 1,000,000."""
PASSED_PER_WANTED = 8
"""Documents passed over at first for each one wanted, in a search within more positions than that."""
PASSED_GROWTH = 8
"""How many times as many are passed over the next time, if those were too few."""
PASSED_MAX = 51_200
"""Documents passed over at most: 60 ms; a set of positions then takes no longer."""
TIDIED_DOCUMENTS = 1_000
"""Documents written anew at a time where removed ones lay beside them: a tenth of a second."""
LAYOUT = "1"
"""Version of the index's fields."""
PANIC = "PanicException"
"""Name of the exception that stands for a panic in Rust."""
_Result = TypeVar("_Result")
_USER = "user"
_ROW = "row"
_DIGEST = "digest"


class TantivyIndex(LexicalView):
    """BM25 by tantivy.

    Parameters
    ----------
    folder
        Where the index lies and is found again; what cannot be read there is dropped, since the table is the truth.
        Where the folder cannot be written, or another process writes it, the index stays in memory. None keeps it in
        memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._ids: dict[int, str] = {}
        self._start(keeps=True)

    @override
    def reset(self) -> None:
        self._start(keeps=False)

    @override
    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        removed = self._neighbourhood.positions_said(deleted)
        documents = self._neighbourhood.apply(upserted, deleted)
        current = {document.position: document.entry_id for document in documents}
        self._ids.update(current)
        for position in set(self._neighbourhood.gone) - current.keys():
            self._ids.pop(position, None)
        if removed and self._removal.is_wanted:
            _guarded(lambda: self._begin_removal(removed))
        _guarded(lambda: self._write(documents, [*{*self._neighbourhood.gone, *current}]))
        self._publish()

    @property
    @override
    def is_tidy(self) -> bool:
        return self._removal.is_over

    @override
    def tidy(self) -> None:
        rows = self._removal.take(TIDIED_DOCUMENTS)
        places = (self._neighbourhood.row_of(self._ids[row]) for row in rows if row in self._ids)
        documents = [self._neighbourhood.document(place) for place in places if place is not None]
        _guarded(lambda: self._write(documents, rows))
        self._publish()
        # Only now: what the last searcher reads is kept.
        _guarded(self._writer.garbage_collect_files)
        self._removal.end()

    @override
    def begin_load(self) -> None:
        self._loading = Neighbourhood()

    @override
    def load(self, batch: EntryBatch) -> None:
        self._loading.insert(batch)

    @override
    def end_load(self) -> None:
        loaded, self._loading = self._loading, Neighbourhood()
        _guarded(lambda: self._bring_up_to(loaded))
        self._neighbourhood = loaded
        self._ids = {position: entry_id for entry_id, position in loaded.places()}
        self._publish()

    @override
    def snapshot(self) -> LexicalSnapshot:
        return self._snapshot

    def _start(self, *, keeps: bool) -> None:
        self._neighbourhood = self._loading = Neighbourhood()
        self._ids = {}
        # The old writer goes first: it holds the folder's lock.
        self._writer: Any = None
        self._schema = _build_schema()
        self._removal = Removal(None, _ROW)
        self._index, self._writer = _guarded(lambda: self._open(keeps=keeps))
        self._publish()

    def _open(self, *, keeps: bool) -> tuple[Any, Any]:
        if self._folder is None:
            return _with_writer(tantivy.Index(self._schema))
        place = self._folder / _layout()
        opened: tuple[Any, Any] | None = None
        for other in self._folder.iterdir() if self._folder.is_dir() else ():
            if other != place or not keeps:
                shutil.rmtree(other, ignore_errors=True)
        try:
            opened = _with_writer(self._on_disk(place))
            check_removed(place)
            # Only now: before this process holds the lock, another one may be writing them.
            check_files(place)
        except PermissionError:
            return _with_writer(tantivy.Index(self._schema))
        except (ValueError, OSError, RuntimeError, LookupError) as error:
            if "LockBusy" in str(error):
                return _with_writer(tantivy.Index(self._schema))
            logger.warning("lexical index cannot be taken over; it is built anew", extra={"error": str(error)[:256]})
        else:
            self._removal = Removal(place, _ROW)
            return opened
        opened = None
        shutil.rmtree(place, ignore_errors=True)
        self._removal = Removal(place, _ROW)
        return _with_writer(self._on_disk(place))

    def _begin_removal(self, removed: Sequence[int]) -> None:
        self._writer.wait_merging_threads()
        self._index, self._writer = _with_writer(self._index)
        self._index.reload()
        self._removal.begin(self._index.searcher(), removed)

    def _on_disk(self, place: Path) -> Any:
        place.mkdir(parents=True, exist_ok=True)
        return tantivy.Index(self._schema, path=str(place), reuse=True)

    def _bring_up_to(self, loaded: Neighbourhood) -> None:
        """Write what the index lacks of a table, and remove what the table does not have."""
        indexed = self._indexed()
        gone = set(indexed)
        stale: list[int] = []
        for row in loaded.rows():
            position = loaded.position(row)
            gone.discard(position)
            if indexed.get(position) != loaded.digest(row):
                stale.append(row)
        for start in range(0, len(stale), COMMIT_DOCUMENTS):
            rows = stale[start : start + COMMIT_DOCUMENTS]
            known = [position for row in rows if (position := loaded.position(row)) in indexed]
            self._write((loaded.document(row) for row in rows), known)
        if gone and self._removal.is_wanted:
            self._begin_removal(list(gone))
        if gone:
            self._write((), list(gone))

    def _indexed(self) -> dict[int, int]:
        """Digest of each row that the index has."""
        searcher = self._index.searcher()
        if not searcher.num_docs:
            return {}
        hits = searcher.search(tantivy.Query.all_query(), searcher.num_docs, count=False).hits
        places = [address for _, address in hits]
        rows = searcher.fast_field_values(_ROW, places)
        return dict(zip(rows, searcher.fast_field_values(_DIGEST, places), strict=True))

    def _write(self, documents: Iterable[Document], replaced: Sequence[int]) -> None:
        for row in replaced:
            self._writer.delete_documents_by_term(_ROW, row)
        for document in documents:
            out = tantivy.Document()
            out.add_integer(_ROW, document.position)
            out.add_integer(_DIGEST, document.digest)
            out.add_text(_USER, document.user_id)
            out.add_text(CONTEXT, " ".join(document.context))
            out.add_text(BIGRAMS, " ".join(document.bigrams))
            self._writer.add_document(out)
        self._writer.commit()

    def _publish(self) -> None:
        _guarded(self._index.reload)
        self._snapshot = TantivySnapshot(self._schema, self._index.searcher(), self._neighbourhood, self._ids)


class TantivySnapshot(LexicalSnapshot):
    """One searcher, which tantivy keeps unchanged whatever is committed later.

    Parameters
    ----------
    schema, searcher
        The index's.
    places, ids
        Position of an entry and entry of a position. Shared with the writer, which only adds places or drops those of
        deleted entries; an entry missing here was deleted meanwhile and is left out.
    """

    def __init__(self, schema: Any, searcher: Any, places: Neighbourhood, ids: dict[int, str]) -> None:
        self._schema = schema
        self._searcher = searcher
        self._places = places
        self._ids = ids

    def search(self, field: str, terms: Sequence[str], scope: Scope, limit: int) -> Candidates:
        """BM25 of the best entries for analysed terms in one field."""
        if not terms or limit < 1:
            return {}
        if scope.places is not None:
            return self._search_places(field, terms, scope, limit)
        return self._run(self._any_of(field, terms, self._owned(scope)), limit)

    def scores(self, field: str, terms: Sequence[str], scope: Scope, entry_ids: Sequence[str]) -> Candidates:
        """BM25 of given entries; the scope is that of the entries."""
        del scope
        if not terms or not entry_ids:
            return {}
        found = (self._places.position_of(entry_id) for entry_id in entry_ids)
        rows = [place for place in found if place is not None]
        return self._run(_both(self._rows_of(rows), self._any_of(field, terms)), len(rows)) if rows else {}

    def _search_places(self, field: str, terms: Sequence[str], scope: Scope, limit: int) -> Candidates:
        """Best entries at given positions: asked for one by one where they are few, else passed over in the order of
        score until enough were found, for of many the best few stand high.

        What stands so low that passing over takes longer is asked for as a set.
        """
        places = np.empty(0, np.int64) if scope.places is None else scope.places
        if not len(places):
            return {}
        if len(places) <= ASKED_PLACES:
            return self._run(_both(self._rows_of(places.tolist()), self._any_of(field, terms)), limit)
        query = self._any_of(field, terms, self._owned(scope))
        depth = PASSED_PER_WANTED * limit
        while depth <= PASSED_MAX:
            rows, scores = self._hits(query, depth)
            kept = _are_among(rows, places)
            if np.count_nonzero(kept) >= limit or len(rows) < depth:
                return self._named(rows[kept][:limit].tolist(), scores[kept][:limit].tolist())
            depth *= PASSED_GROWTH
        wanted = tantivy.Query.term_set_query(self._schema, _ROW, places.tolist())
        return self._run(_both(tantivy.Query.const_score_query(wanted, 0.0), self._any_of(field, terms)), limit)

    def _run(self, query: Any, limit: int) -> Candidates:
        rows, scores = self._hits(query, limit)
        return self._named(rows.tolist(), scores.tolist())

    def _hits(self, query: Any, limit: int) -> tuple[Places, npt.NDArray[np.float32]]:
        """Rows and scores, best first."""

        def run() -> tuple[Places, npt.NDArray[np.float32]]:
            found = self._searcher.search(query, limit, count=False).hits
            rows = self._searcher.fast_field_values(_ROW, [address for _, address in found])
            return np.array(rows, dtype=np.int64), np.array([score for score, _ in found], dtype=np.float32)

        return _guarded(run)

    def _named(self, rows: Sequence[int], scores: Sequence[float]) -> Candidates:
        pairs = ((self._ids.get(row), score) for row, score in zip(rows, scores, strict=True))
        return {entry_id: score for entry_id, score in pairs if entry_id is not None}

    def _owned(self, scope: Scope) -> Any:
        return None if scope.user_id is None else self._filter(_USER, scope.user_id, "basic")

    def _any_of(self, field: str, terms: Sequence[str], only: Any = None) -> Any:
        """Documents with any of the terms, and only certain ones of them.

        What is wanted is asked with each term: the union of such pairs takes half the time of one union of the terms
        that is then gone through for it (4.6 and 2.0 ms with 1,000,000 documents).
        """
        asked = (tantivy.Query.term_query(self._schema, field, term, index_option="freq") for term in set(terms))
        return _either(query if only is None else _both(only, query) for query in asked)

    def _filter(self, field: str, value: str, option: str) -> Any:
        term = tantivy.Query.term_query(self._schema, field, value, index_option=option)
        return tantivy.Query.const_score_query(term, 0.0)

    def _rows_of(self, rows: Iterable[int]) -> Any:
        """Documents of given rows.

        Queries of a term each: a term set goes through the whole dictionary, which takes three times as long for 300
        of 100,000 rows.
        """
        query = tantivy.Query.term_query
        wanted = (query(self._schema, _ROW, row, index_option="basic") for row in rows)
        return tantivy.Query.const_score_query(_either(wanted), 0.0)


def _either(queries: Iterable[Any]) -> Any:
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])


def _both(first: Any, second: Any) -> Any:
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, first), (tantivy.Occur.Must, second)])


def _are_among(rows: Places, places: Places) -> npt.NDArray[np.bool_]:
    """Which rows are among given ones, which rise; there must be at least one of them."""
    at = np.searchsorted(places, rows).clip(max=len(places) - 1)
    found: npt.NDArray[np.bool_] = places[at] == rows
    return found


def _build_schema() -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field(_ROW, indexed=True, fast=True)
    builder.add_integer_field(_DIGEST, fast=True)
    builder.add_text_field(_USER, tokenizer_name="raw", index_option="basic")
    for field in (CONTEXT, BIGRAMS):
        builder.add_text_field(field, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


def _layout() -> str:
    """Name of all that decides what a document looks like."""
    sources = (Path(str(module.__file__)).read_bytes() for module in (analysis, languages, neighbourhood))
    return f"{LAYOUT}-{zlib.crc32(b''.join(sources)):08x}"


def _with_writer(index: Any) -> tuple[Any, Any]:
    return index, index.writer(heap_size=HEAP_BYTES, num_threads=1)


def _guarded(step: Callable[[], _Result]) -> _Result:
    """What a step gives, with tantivy's own exceptions turned into ours."""
    try:
        return step()
    except BaseException as error:
        # A panic in Rust, which damaged files cause, comes as a class of its own that is no `Exception` and has no
        # importable name (pyo3).
        if not isinstance(error, ValueError | OSError | RuntimeError) and type(error).__name__ != PANIC:
            raise
        raise IndexBrokenError(f"lexical index: {str(error)[:256]}; it is rebuilt from the table") from error

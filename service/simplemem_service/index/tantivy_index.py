"""The lexical view on tantivy: BM25 in Rust, in memory or in a disposable folder.

Queries are built from analysed terms, never from the user's string, so no syntax can reach tantivy's parser. Rows are
signed integers, since tantivy 0.27 deletes nothing by an unsigned term.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tantivy

from simplemem_service.errors import IndexBrokenError
from simplemem_service.index.base import BIGRAMS, CONTEXT, Candidates, LexicalSnapshot, LexicalView, Scope
from simplemem_service.index.neighbourhood import Document, Neighbourhood
from simplemem_service.models.entry import EmbeddedEntry

HEAP_BYTES = 32_000_000
"""Memory of the one writer thread; tantivy refuses less than 15 MB."""
_Result = TypeVar("_Result")
_USER = "user"
_ROW = "row"


class TantivyIndex(LexicalView):
    """BM25 by tantivy.

    Parameters
    ----------
    folder
        Where the index lies; it is emptied first, since the table is the truth. None keeps the index in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.reset()

    def reset(self) -> None:
        """Forget everything; snapshots handed out before stay as they are."""
        self._neighbourhood = Neighbourhood()
        self._rows: dict[str, int] = {}
        self._ids: dict[int, str] = {}
        self._next_row = 0
        self._writer: Any = None
        self._schema = _build_schema()
        self._index = _guarded(self._create)
        self._writer = _guarded(lambda: self._index.writer(heap_size=HEAP_BYTES, num_threads=1))
        self._publish()

    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        """Take over changes, in one commit."""
        documents = self._neighbourhood.apply(upserted, deleted)
        _guarded(lambda: self._write(documents, deleted))
        self._publish()

    def snapshot(self) -> LexicalSnapshot:
        """The view as it stands after the last `apply`."""
        return self._snapshot

    def _create(self) -> Any:
        if self._folder is None:
            return tantivy.Index(self._schema)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        return tantivy.Index(self._schema, path=str(self._folder))

    def _write(self, documents: Sequence[Document], deleted: Sequence[str]) -> None:
        for entry_id in deleted:
            row = self._rows.pop(entry_id, None)
            if row is not None:
                self._writer.delete_documents_by_term(_ROW, row)
                del self._ids[row]
        for document in documents:
            self._write_document(document)
        self._writer.commit()

    def _write_document(self, document: Document) -> None:
        entry_id = document.entry.entry_id
        row = self._rows.get(entry_id)
        if row is None:
            row = self._rows[entry_id] = self._next_row
            self._ids[row] = entry_id
            self._next_row += 1
        else:
            self._writer.delete_documents_by_term(_ROW, row)
        out = tantivy.Document()
        out.add_integer(_ROW, row)
        out.add_text(_USER, document.entry.user_id)
        out.add_text(CONTEXT, " ".join(document.context))
        out.add_text(BIGRAMS, " ".join(document.bigrams))
        self._writer.add_document(out)

    def _publish(self) -> None:
        _guarded(self._index.reload)
        self._snapshot = TantivySnapshot(self._schema, self._index.searcher(), self._rows, self._ids)


class TantivySnapshot(LexicalSnapshot):
    """One searcher, which tantivy keeps unchanged whatever is committed later.

    Parameters
    ----------
    schema, searcher
        The index's.
    rows, ids
        Row of an entry and entry of a row. Shared with the writer, which only adds rows or drops those of deleted
        entries; an entry missing here was deleted meanwhile and is left out.
    """

    def __init__(self, schema: Any, searcher: Any, rows: dict[str, int], ids: dict[int, str]) -> None:
        self._schema = schema
        self._searcher = searcher
        self._rows = rows
        self._ids = ids

    def search(self, field: str, terms: Sequence[str], scope: Scope, limit: int) -> Candidates:
        """BM25 of the best entries for analysed terms in one field."""
        if not terms or limit < 1:
            return {}
        clauses = [(tantivy.Occur.Must, self._any_of(field, terms))]
        if scope.entry_ids is not None:
            clauses.append((tantivy.Occur.Must, self._rows_of(list(scope.entry_ids))))
        elif scope.user_id is not None:
            clauses.append((tantivy.Occur.Must, self._filter(_USER, scope.user_id, "basic")))
        return self._run(clauses, limit)

    def scores(self, field: str, terms: Sequence[str], scope: Scope, entry_ids: Sequence[str]) -> Candidates:
        """BM25 of given entries; the scope is that of the entries."""
        del scope
        if not terms or not entry_ids:
            return {}
        clauses = [(tantivy.Occur.Must, self._rows_of(entry_ids)), (tantivy.Occur.Must, self._any_of(field, terms))]
        return self._run(clauses, len(entry_ids))

    def _run(self, clauses: list[tuple[Any, Any]], limit: int) -> Candidates:
        def run() -> Candidates:
            found = self._searcher.search(tantivy.Query.boolean_query(clauses), limit, count=False).hits
            rows = self._searcher.fast_field_values(_ROW, [address for _, address in found])
            pairs = ((self._ids.get(row), score) for row, (score, _) in zip(rows, found, strict=True))
            return {entry_id: score for entry_id, score in pairs if entry_id is not None}

        return _guarded(run)

    def _any_of(self, field: str, terms: Sequence[str]) -> Any:
        query = tantivy.Query.term_query
        return tantivy.Query.boolean_query(
            [(tantivy.Occur.Should, query(self._schema, field, term, index_option="freq")) for term in set(terms)],
        )

    def _filter(self, field: str, value: str, option: str) -> Any:
        term = tantivy.Query.term_query(self._schema, field, value, index_option=option)
        return tantivy.Query.const_score_query(term, 0.0)

    def _rows_of(self, entry_ids: Sequence[str]) -> Any:
        rows = [self._rows[entry_id] for entry_id in entry_ids if entry_id in self._rows]
        return tantivy.Query.const_score_query(tantivy.Query.term_set_query(self._schema, _ROW, rows), 0.0)


def _build_schema() -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field(_ROW, indexed=True, fast=True)
    builder.add_text_field(_USER, tokenizer_name="raw", index_option="basic")
    for field in (CONTEXT, BIGRAMS):
        builder.add_text_field(field, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


def _guarded(step: Callable[[], _Result]) -> _Result:
    """What a step gives, with tantivy's own exceptions turned into ours."""
    try:
        return step()
    except (ValueError, OSError, RuntimeError) as error:
        raise IndexBrokenError(f"lexical index: {str(error)[:256]}; it is rebuilt from the table") from error

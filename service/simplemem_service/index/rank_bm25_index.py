"""The lexical view in pure Python, by rank-bm25: for small stores that want no index beside the table.

Each user's entries are ranked among themselves. rank-bm25 knows no updates; what its model counts, terms of a document
and documents of a term, is kept, so that the first search after a change counts only what changed. Above some 10,000
entries a user tantivy is the better choice.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import rank_bm25
from typing_extensions import override

from simplemem_service.index.base import BIGRAMS, CONTEXT, Candidates, LexicalSnapshot, LexicalView, Scope
from simplemem_service.index.neighbourhood import Document, Neighbourhood
from simplemem_service.models.entry import EmbeddedEntry
from simplemem_service.storage.entry_rows import EntryBatch

_FIELDS = (CONTEXT, BIGRAMS)


class RankBm25Index(LexicalView):
    """BM25 by rank-bm25, in memory."""

    def __init__(self) -> None:
        self.reset()

    @override
    def reset(self) -> None:
        self._neighbourhood = Neighbourhood()
        self._owners: dict[str, str] = {}
        self._users: dict[str, _UserModel] = {}
        self._loading = Neighbourhood()

    @override
    def begin_load(self) -> None:
        self._loading = Neighbourhood()

    @override
    def load(self, batch: EntryBatch) -> None:
        self._loading.insert(batch)

    @override
    def end_load(self) -> None:
        self._neighbourhood, self._loading = self._loading, Neighbourhood()
        users: dict[str, dict[str, Document]] = {}
        for row in self._neighbourhood.rows():
            document = self._neighbourhood.document(row)
            users.setdefault(document.user_id, {})[document.entry_id] = document
        self._owners = {entry_id: user_id for user_id, own in users.items() for entry_id in own}
        self._users = {user_id: _UserModel(own) for user_id, own in users.items()}

    @override
    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        changed: dict[str, dict[str, Document | None]] = {}
        for entry_id in deleted:
            if entry_id in self._owners:
                changed.setdefault(self._owners.pop(entry_id), {})[entry_id] = None
        for document in self._neighbourhood.apply(upserted, deleted):
            self._owners[document.entry_id] = document.user_id
            changed.setdefault(document.user_id, {})[document.entry_id] = document
        users = dict(self._users)
        for user_id, own in changed.items():
            model = users.get(user_id, _UserModel({})).changed(own)
            if model.documents:
                users[user_id] = model
            else:
                users.pop(user_id, None)
        self._users = users

    @override
    def snapshot(self) -> LexicalSnapshot:
        return RankBm25Snapshot(self._users)


class RankBm25Snapshot(LexicalSnapshot):
    """The models of all users at one moment.

    Parameters
    ----------
    users
        Model of each user's entries; never changed.
    """

    def __init__(self, users: dict[str, _UserModel]) -> None:
        self._users = users

    @override
    def search(self, field: str, terms: Sequence[str], scope: Scope, limit: int) -> Candidates:
        found = self._rate(field, terms, scope)
        best = sorted(found, key=lambda entry_id: -found[entry_id])[: max(limit, 0)]
        return {entry_id: found[entry_id] for entry_id in best}

    @override
    def scores(self, field: str, terms: Sequence[str], scope: Scope, entry_ids: Sequence[str]) -> Candidates:
        found = self._rate(field, terms, Scope(scope.user_id))
        return {entry_id: found[entry_id] for entry_id in entry_ids if entry_id in found}

    def _rate(self, field: str, terms: Sequence[str], scope: Scope) -> Candidates:
        models: Iterable[_UserModel] = self._users.values()
        if scope.user_id is not None:
            models = [self._users[scope.user_id]] if scope.user_id in self._users else []
        found: Candidates = {}
        for model in models:
            found.update(model.rate(field, terms, scope))
        return found


class _FieldModel(rank_bm25.BM25Plus):  # type: ignore[misc]
    """rank-bm25's model, which keeps its counts; delta 0 makes BM25+ the plain BM25 with an idf that is never negative.

    Parameters
    ----------
    documents
        Terms of each document; at least one document.
    """

    def __init__(self, documents: Iterable[Sequence[str]]) -> None:
        corpus = list(documents)
        # rank-bm25 divides by the average length.
        super().__init__(corpus if any(corpus) else [("",), *corpus[1:]], k1=1.2, b=0.75, delta=0.0)

    @override
    def _calc_idf(self, nd: dict[str, int]) -> None:
        self.documents_of = nd
        """Number of documents of each term."""
        super()._calc_idf(nd)

    def changed(self, kept: Sequence[int], added: Sequence[Sequence[str]]) -> _FieldModel:
        """The same of some of its documents and further ones behind them; counts those alone that come or go."""
        model = _FieldModel.__new__(_FieldModel)
        model.k1, model.b, model.delta, model.tokenizer = self.k1, self.b, self.delta, None
        gone = set(range(self.corpus_size)).difference(kept)
        fresh = [dict(Counter(terms)) for terms in added]
        counts = Counter(self.documents_of)
        for row in gone:
            counts.subtract(self.doc_freqs[row].keys())
        for frequencies in fresh:
            counts.update(frequencies.keys())
        model.doc_freqs = [*(self.doc_freqs[row] for row in kept), *fresh]
        model.doc_len = [*(self.doc_len[row] for row in kept), *map(len, added)]
        model.corpus_size = len(model.doc_len)
        # The empty term that stands in for no term at all has this length, too.
        model.avgdl = max(1, sum(model.doc_len)) / model.corpus_size
        model.idf = {}
        model._calc_idf({term: count for term, count in counts.items() if count > 0})  # noqa: SLF001 - its own kind
        return model


class _UserModel:
    """The entries of one user and, once asked for, their BM25 models.

    Parameters
    ----------
    documents
        The user's documents by entry id; not to be changed any more.
    former
        A model of some of them to take counts from, and none of their former versions.
    """

    def __init__(self, documents: Mapping[str, Document], former: _UserModel | None = None) -> None:
        self.documents = documents
        """The user's documents by entry id."""
        self._former = former
        self._models: dict[str, _FieldModel] = {}
        self._lock = threading.Lock()

    def changed(self, changes: Mapping[str, Document | None]) -> _UserModel:
        """The same with some documents written or, where None, gone; counted by its first search."""
        kept = {entry_id: document for entry_id, document in self.documents.items() if entry_id not in changes}
        written = {entry_id: document for entry_id, document in changes.items() if document is not None}
        former = self if self._models else self._former
        self._former = None
        # Counts of what was deleted must not wait for the next search to be forgotten.
        return _UserModel({**kept, **written}, former if len(written) == len(changes) else None)

    def counted(self, field: str) -> _FieldModel | None:
        """The model of a field, if a search has asked for it."""
        return self._models.get(field)

    def rate(self, field: str, terms: Sequence[str], scope: Scope) -> Candidates:
        """BM25 of every entry in a scope that has one of the terms."""
        wanted = sorted(set(terms))
        if not self.documents or not wanted:
            return {}
        model = self._model(field)
        scores = model.get_scores(wanted)
        has_term = (any(term in frequencies for term in wanted) for frequencies in model.doc_freqs)
        rated = zip(self.documents.values(), scores.tolist(), has_term, strict=True)
        allowed = None if scope.places is None else set(scope.places.tolist())
        return {
            document.entry_id: score
            for document, score, is_found in rated
            if is_found and (allowed is None or document.position in allowed)
        }

    def _model(self, field: str) -> _FieldModel:
        with self._lock:
            if field not in self._models:
                self._models[field] = self._build(field)
                if len(self._models) == len(_FIELDS):
                    self._former = None
            return self._models[field]

    def _build(self, field: str) -> _FieldModel:
        former, documents = self._former, self.documents
        counted = None if former is None else former.counted(field)
        if former is None or counted is None:
            return _FieldModel(_terms(document, field) for document in documents.values())
        before = enumerate(former.documents.items())
        kept = [row for row, (entry_id, document) in before if documents.get(entry_id) is document]
        # Documents that were there before come first.
        return counted.changed(kept, [_terms(one, field) for one in list(documents.values())[len(kept) :]])


def _terms(document: Document, field: str) -> Sequence[str]:
    return document.context if field == CONTEXT else document.bigrams

"""The lexical view in pure Python, by rank-bm25: for small stores that want no index beside the table.

Each user's entries are ranked among themselves. rank-bm25 knows no updates, so a user's model is built anew by the
first search after a change; above some 10,000 entries a user tantivy is the better choice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import rank_bm25

from simplemem_service.index.base import CONTEXT, Candidates, LexicalSnapshot, LexicalView, Scope
from simplemem_service.index.neighbourhood import Document, Neighbourhood
from simplemem_service.models.entry import EmbeddedEntry
from simplemem_service.storage.entry_rows import EntryBatch


class RankBm25Index(LexicalView):
    """BM25 by rank-bm25, in memory."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything; snapshots handed out before stay as they are."""
        self._neighbourhood = Neighbourhood()
        self._owners: dict[str, str] = {}
        self._users: dict[str, _UserModel] = {}
        self._loading = Neighbourhood()

    def begin_load(self) -> None:
        """Begin to take over a whole table."""
        self._loading = Neighbourhood()

    def load(self, batch: EntryBatch) -> None:
        """Take over some of its entries."""
        self._loading.insert(batch)

    def end_load(self) -> None:
        """What was loaded is all there is."""
        self._neighbourhood, self._loading = self._loading, Neighbourhood()
        users: dict[str, dict[str, Document]] = {}
        for row in self._neighbourhood.rows():
            document = self._neighbourhood.document(row)
            users.setdefault(document.user_id, {})[document.entry_id] = document
        self._owners = {entry_id: user_id for user_id, own in users.items() for entry_id in own}
        self._users = {user_id: _UserModel(own) for user_id, own in users.items()}

    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        """Take over changes; the models of the users concerned are built by the next search."""
        documents = {document.entry_id: document for document in self._neighbourhood.apply(upserted, deleted)}
        gone = {entry_id: self._owners.pop(entry_id) for entry_id in deleted if entry_id in self._owners}
        self._owners.update({entry_id: document.user_id for entry_id, document in documents.items()})
        users = dict(self._users)
        for user_id in {*gone.values(), *(document.user_id for document in documents.values())}:
            old = users[user_id].documents if user_id in users else {}
            kept = {entry_id: document for entry_id, document in old.items() if entry_id not in gone}
            kept.update({i: document for i, document in documents.items() if document.user_id == user_id})
            users[user_id] = _UserModel(kept)
        self._users = users

    def snapshot(self) -> LexicalSnapshot:
        """The view as it stands after the last `apply`."""
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

    def search(self, field: str, terms: Sequence[str], scope: Scope, limit: int) -> Candidates:
        """BM25 of the best entries for analysed terms in one field."""
        found = self._rate(field, terms, scope)
        if scope.entry_ids is not None:
            found = {entry_id: score for entry_id, score in found.items() if entry_id in scope.entry_ids}
        best = sorted(found, key=lambda entry_id: -found[entry_id])[: max(limit, 0)]
        return {entry_id: found[entry_id] for entry_id in best}

    def scores(self, field: str, terms: Sequence[str], scope: Scope, entry_ids: Sequence[str]) -> Candidates:
        """BM25 of given entries."""
        found = self._rate(field, terms, scope)
        return {entry_id: found[entry_id] for entry_id in entry_ids if entry_id in found}

    def _rate(self, field: str, terms: Sequence[str], scope: Scope) -> Candidates:
        models: Iterable[_UserModel] = self._users.values()
        if scope.user_id is not None:
            models = [self._users[scope.user_id]] if scope.user_id in self._users else []
        found: Candidates = {}
        for model in models:
            found.update(model.rate(field, terms))
        return found


class _UserModel:
    """The entries of one user and, once asked for, their BM25 models.

    Parameters
    ----------
    documents
        The user's documents by entry id; not to be changed any more.
    """

    def __init__(self, documents: dict[str, Document]) -> None:
        self.documents = documents
        self._models: dict[str, rank_bm25.BM25Plus] = {}
        self._lock = threading.Lock()

    def rate(self, field: str, terms: Sequence[str]) -> Candidates:
        """BM25 of every entry that has one of the terms."""
        wanted = sorted(set(terms))
        if not self.documents or not wanted:
            return {}
        with self._lock:
            if field not in self._models:
                self._models[field] = _build_model(list(self.documents.values()), field)
            model = self._models[field]
        scores = model.get_scores(wanted)
        return {
            entry_id: float(score)
            for entry_id, score, frequencies in zip(self.documents, scores, model.doc_freqs, strict=True)
            if any(term in frequencies for term in wanted)
        }


def _build_model(documents: Sequence[Document], field: str) -> rank_bm25.BM25Plus:
    """Model of one field; delta 0 makes BM25+ the plain BM25 with an idf that is never negative."""
    corpus = [document.context if field == CONTEXT else document.bigrams for document in documents]
    if not any(corpus):
        corpus = [("",), *corpus[1:]]
    return rank_bm25.BM25Plus(corpus, k1=1.2, b=0.75, delta=0.0)

"""A filtered search finds what a search of everything finds among the entries that match, whatever share does."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from typing_extensions import override

from simplemem_service.index.base import (
    BIGRAMS,
    CONTEXT,
    SENTENCES,
    Candidates,
    LexicalSnapshot,
    LexicalView,
    Scope,
    VectorSnapshot,
)
from simplemem_service.index.catalogue import Catalogue
from simplemem_service.index.follow import Views
from simplemem_service.index.rank_bm25_index import RankBm25Index
from simplemem_service.index.tantivy_index import TantivyIndex
from simplemem_service.index.vector_index import RATED_ROWS, VectorIndex
from simplemem_service.models.entry import EmbeddedEntry, Entry, Vector
from simplemem_service.models.query import EntryFilter
from simplemem_service.pipeline.question import read_question
from simplemem_service.pipeline.recipe import Recipe
from simplemem_service.pipeline.retrieve import _Search, rank
from tests.support.entries import NOON, make_entry

ENTRIES = 6_000
DIMENSION = 48
WANTED = 100
FILTERS = {
    "half of them": EntryFilter(persons=("BEN",)),
    "a tenth": EntryFilter(location="rome"),
    "a fiftieth": EntryFilter(user_id="user-7"),
    "a hundredth": EntryFilter(session_id="session-42"),
    "a thousandth": EntryFilter(since=NOON + timedelta(minutes=500), until=NOON + timedelta(minutes=505)),
    "all but one": EntryFilter(since=NOON + timedelta(minutes=1)),
    "one": EntryFilter(since=NOON + timedelta(minutes=77), until=NOON + timedelta(minutes=77)),
    "several fields": EntryFilter(user_id="user-7", persons=("ben",), until=NOON + timedelta(minutes=5000)),
    "none": EntryFilter(user_id="user-7", session_id="session-1"),
}
QUESTIONS = ("wa wb wc", "wa", "wq wr", "wd we wf wg wh")


def entries() -> list[EmbeddedEntry]:
    """Words that few and words that nearly all entries have; vectors of falling variance, as a model's."""
    random = np.random.default_rng(5)
    words = np.array([f"w{chr(97 + n)}" for n in range(26)])
    weights = 1 / np.arange(1, 27)
    vectors = random.normal(size=(3 * ENTRIES, DIMENSION)) / np.sqrt(np.arange(1, DIMENSION + 1))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    made = []
    for place in range(ENTRIES):
        text = " ".join(random.choice(words, 6, p=weights / weights.sum()))
        row = make_entry(
            place,
            text=text,
            lossless_restatement=text,
            speaker="",
            user_id=f"user-{place // 100 % 50}",
            session_id=f"session-{place // 100}",
            persons=("Ada", "Ben") if place % 2 else ("Ada",),
            location="Rome" if place % 10 == 3 else None,
        )
        own = vectors[3 * place : 3 * place + 1 + place % 2]
        made.append(replace(row, embedding=vectors[3 * place + 2], sentences=tuple(own)))
    return made


ROWS = entries()


@pytest.fixture(scope="module", params=[TantivyIndex, RankBm25Index])
def views(request: pytest.FixtureRequest) -> Views:
    lexical: LexicalView = request.param()
    vectors, catalogue = VectorIndex(), Catalogue()
    for view in (lexical, vectors, catalogue):
        for start in range(0, ENTRIES, 2_000):
            view.apply(ROWS[start : start + 2_000], [])
    return Views(1, 1, lexical.snapshot(), vectors.snapshot(), catalogue)


def matching(where: EntryFilter) -> list[Entry]:
    """Entries that match, by a loop over all of them."""

    def is_match(entry: Entry) -> bool:
        persons = {name.casefold() for name in entry.persons}
        return (
            where.user_id in (None, entry.user_id)
            and where.session_id in (None, entry.session_id)
            and (where.location is None or where.location == (entry.location or "").casefold())
            and {name.casefold() for name in where.persons} <= persons
            and (where.since is None or (entry.timestamp is not None and entry.timestamp >= where.since))
            and (where.until is None or (entry.timestamp is not None and entry.timestamp <= where.until))
        )

    return [row.entry for row in ROWS if is_match(row.entry)]


class SlowWords(LexicalSnapshot):
    """Searches everything and leaves out what does not match."""

    def __init__(self, inner: LexicalSnapshot, allowed: set[str]) -> None:
        self._inner = inner
        self._allowed = allowed

    @override
    def search(self, field: str, terms: Sequence[str], scope: Scope, limit: int) -> Candidates:
        found = self._inner.search(field, terms, Scope(), ENTRIES)
        kept = [(entry_id, score) for entry_id, score in found.items() if entry_id in self._allowed]
        return dict(kept[:limit])

    @override
    def scores(self, field: str, terms: Sequence[str], scope: Scope, entry_ids: Sequence[str]) -> Candidates:
        found = self._inner.search(field, terms, Scope(), ENTRIES)
        return {entry_id: found[entry_id] for entry_id in entry_ids if entry_id in found}


class SlowVectors(VectorSnapshot):
    """Computes every cosine in 64 bits and leaves out what does not match."""

    def __init__(self, allowed: set[str]) -> None:
        self._rows = {row.entry.entry_id: row for row in ROWS if row.entry.entry_id in allowed}

    @override
    def search(self, field: str, vector: Vector, scope: Scope, limit: int) -> Candidates:
        found = self.scores(field, vector, scope, list(self._rows))
        return dict(sorted(found.items(), key=lambda pair: -pair[1])[:limit])

    @override
    def scores(self, field: str, vector: Vector, scope: Scope, entry_ids: Sequence[str]) -> Candidates:
        def vectors_of(entry_id: str) -> Sequence[Vector]:
            row = self._rows[entry_id]
            return (row.embedding,) if field == CONTEXT else row.sentences

        return {entry_id: max(float(one @ vector) for one in vectors_of(entry_id)) for entry_id in entry_ids}


def questions() -> list[tuple[str, Vector]]:
    return [(text, ROWS[1_000 * place].embedding) for place, text in enumerate(QUESTIONS, 1)]


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_finds_its_entries_and_no_others(views: Views, name: str) -> None:
    scope = views.catalogue.scope(FILTERS[name])
    places = [entry.position for entry in matching(FILTERS[name])]
    if scope.places is None:
        assert FILTERS[name] == EntryFilter(user_id=scope.user_id)
    else:
        assert scope.places.tolist() == places
    assert all(scope.allows(row.entry) == (row.entry.position in set(places)) for row in ROWS[::97])


@pytest.mark.parametrize("name", FILTERS)
def test_a_filtered_view_gives_what_all_of_it_gives_among_the_matching(views: Views, name: str) -> None:
    allowed = {entry.entry_id for entry in matching(FILTERS[name])}
    scope = views.catalogue.scope(FILTERS[name])
    words, vectors = SlowWords(views.lexical, allowed), SlowVectors(allowed)
    for text, vector in questions():
        question = read_question(text, [])
        for field, terms in ((CONTEXT, question.terms), (BIGRAMS, question.bigrams)):
            expected = words.search(field, terms, scope, WANTED)
            found = views.lexical.search(field, terms, scope, WANTED)
            # Equal scores may come in any order, so that the last of them may be others.
            assert sorted(found.values()) == pytest.approx(sorted(expected.values()))
            assert set(found) <= allowed
        for field in (CONTEXT, SENTENCES):
            expected = vectors.search(field, vector, scope, WANTED)
            found = views.vectors.search(field, vector, scope, WANTED)
            last = min(expected.values(), default=0.0)
            missed = [cosine for entry_id, cosine in expected.items() if entry_id not in found]
            if len(allowed) <= RATED_ROWS:
                missed = [cosine for cosine in missed if cosine > last + 1e-3]
            assert len(missed) <= (len(allowed) > RATED_ROWS)
            assert len(found) == len(expected)
            assert all(found[i] == pytest.approx(expected[i], abs=1e-3) for i in found.keys() & expected.keys())


@pytest.mark.parametrize("name", FILTERS)
def test_a_filtered_search_has_the_scores_of_an_exhaustive_one(views: Views, name: str) -> None:
    allowed = {entry.entry_id for entry in matching(FILTERS[name])}
    scope = views.catalogue.scope(FILTERS[name])
    slow = replace(views, lexical=SlowWords(views.lexical, allowed), vectors=SlowVectors(allowed))
    with ThreadPoolExecutor(1) as aside:
        for text, vector in questions():
            question = read_question(text, [])
            found, expected = (
                rank(_Search(question, vector, seen, scope, aside), Recipe(), 10) for seen in (views, slow)
            )
            assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=2e-3)
            # Those that score like the last one may be others.
            sure = {hit.entry.entry_id for hit in expected if hit.score > expected[-1].score + 0.01}
            assert sure <= {hit.entry.entry_id for hit in found}
            assert len(found) == min(10, len(allowed))

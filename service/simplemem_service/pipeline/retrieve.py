"""Stage 3: from a question to the entries that answer it, without any call of a language model.

The question is encoded once; everything after that happens on one snapshot of the views, words in one thread while
meaning and the rest are in another. Every ranker gives its best candidates, then all of them rate the union, since an
entry that only one ranker found must be judged by all. The fused score is a weighted sum of min-max normalised signals
(`recipe.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from simplemem_service.embedding.base import Embedding
from simplemem_service.errors import EmbeddingUnavailableError
from simplemem_service.index.base import BIGRAMS, CONTEXT, SENTENCES, Candidates, Scope
from simplemem_service.index.follow import Follower, Views
from simplemem_service.models.entry import CANARY_USER, Entry, Vector
from simplemem_service.models.query import Hit, Query, Retrieved
from simplemem_service.pipeline import recipe as signal
from simplemem_service.pipeline.complexity import deepen
from simplemem_service.pipeline.context import build_context
from simplemem_service.pipeline.dates import DateSpan, find_absolute
from simplemem_service.pipeline.fusion import Scores, best_first, weighted_shares
from simplemem_service.pipeline.question import Question, read_question
from simplemem_service.pipeline.recipe import Recipe
from simplemem_service.pipeline.sentences import is_question
from simplemem_service.pipeline.validity import rate_recency, rate_validity, with_successors, without_repetitions

SEARCH_THREADS = 2
"""Searches worked on at once. numpy and tantivy release the interpreter, but what is between them does not: with four
threads /livez waits 104 ms (p99, sixteen clients, two cores) and 152 searches a second are answered, with two 23 ms
and 221."""
WORDS_PER_CANDIDATE = 4
"""Entries that a search for words gives for each candidate wanted: more cost nothing, and whether there are fewer tells
that no other entry has any of the words. So most of the union need not be asked for again."""


@dataclass(frozen=True, slots=True)
class _Search:
    """One search: what is asked, and of what."""

    question: Question
    """The question, taken apart."""
    vector: Vector
    """The question, encoded."""
    views: Views
    """One snapshot of all views."""
    scope: Scope
    """Where to look."""
    aside: Executor
    """Does what has to do with words, meanwhile."""


class Retriever:
    """Answers queries from a follower's views.

    Parameters
    ----------
    embedding
        Encodes questions and counts tokens.
    follower
        Where the views come from.
    recipe
        Signals and their weights.
    """

    def __init__(self, embedding: Embedding, follower: Follower, recipe: Recipe | None = None) -> None:
        self._embedding = embedding
        self._follower = follower
        self._recipe = recipe or Recipe()
        self._threads = ThreadPoolExecutor(SEARCH_THREADS, thread_name_prefix="search")
        self._aside = ThreadPoolExecutor(SEARCH_THREADS, thread_name_prefix="words")

    async def retrieve(self, query: Query) -> Retrieved:
        """The entries that answer a query best, and their text within its token budget.

        While the model is away, words and metadata alone decide, which the result says. Raises `OverloadedError` if
        too many questions wait for the encoder, and `EmbeddingError` if this one cannot be encoded.
        """
        views = self._follower.views
        question = read_question(query.text, views.catalogue.speakers(query.filter.user_id))
        loop = asyncio.get_running_loop()
        try:
            vector = await self._embedding.encode_query(question.meaning)
        except EmbeddingUnavailableError as error:
            recipe, vector = self._recipe.without_meaning(), np.zeros(self._embedding.dimension, dtype=np.float32)
            found = await loop.run_in_executor(self._threads, self._search, query, question, vector, views, recipe)
            return replace(found, degraded=error.code)
        recipe = self._recipe.trusting(self._embedding.known_share(question.meaning))
        return await loop.run_in_executor(self._threads, self._search, query, question, vector, views, recipe)

    def close(self) -> None:
        """Let searches under way end and take no more."""
        self._threads.shutdown()
        self._aside.shutdown()

    def _search(self, query: Query, question: Question, vector: Vector, views: Views, recipe: Recipe) -> Retrieved:
        search = _Search(question, vector, views, views.catalogue.scope(query.filter), self._aside)
        depth = deepen(query.top_k, question.complexity) if query.deepens else query.top_k
        hits = rank(search, recipe, depth)
        context, tokens = build_context([hit.entry for hit in hits], query.max_tokens, self._embedding.count_tokens)
        return Retrieved(tuple(hits), context, tokens, complexity=question.complexity, depth=depth)


def rank(search: _Search, recipe: Recipe, top_k: int) -> list[Hit]:
    """The best entries by the recipe, best first, at most `top_k`."""
    words = _Words(search, recipe)
    entries = _candidates(search, recipe, words)
    if not entries:
        return []
    raw = _rate(search, recipe, words, entries)
    shares = weighted_shares(raw, recipe.weights)
    if recipe.uses(signal.ANSWER):
        answers = _rate_answers(search, entries, _sum(shares, len(entries)))
        shares |= weighted_shares({signal.ANSWER: answers}, recipe.weights)
    if recipe.uses(signal.VALIDITY):
        likeness = raw.get(signal.DENSE_SENTENCE, np.ones(len(entries)))
        shares[signal.VALIDITY] = rate_validity(search.question, entries, _sum(shares, len(entries)), likeness)
    total = _sum(shares, len(entries))
    hits = (
        Hit(entries[place], float(total[place]), {name: float(share[place]) for name, share in shares.items()})
        for place in best_first(total, len(entries))
    )
    return without_repetitions(hits, top_k)


class _Words:
    """The lexical rankers of one search, at work beside the others.

    Parameters
    ----------
    search
        What is asked.
    recipe
        Which of them count.
    """

    def __init__(self, search: _Search, recipe: Recipe) -> None:
        asked = {
            signal.LEXICAL_CONTEXT: (CONTEXT, search.question.terms),
            signal.LEXICAL_BIGRAMS: (BIGRAMS, search.question.bigrams),
        }
        self._asked = {name: one for name, one in asked.items() if recipe.uses(name)}
        self._search = search
        self._limit = WORDS_PER_CANDIDATE * recipe.candidates
        self._wanted = recipe.candidates
        self._found: Future[dict[str, Candidates]] = search.aside.submit(self._find)

    def best(self) -> set[str]:
        """Ids of the best entries of each."""
        return {entry_id for found in self._found.result().values() for entry_id in islice(found, self._wanted)}

    def rate(self, ids: Sequence[str]) -> Future[dict[str, Scores]]:
        """What each says of given entries, after the search for the best has ended."""
        return self._search.aside.submit(self._rate, ids)

    def _find(self) -> dict[str, Candidates]:
        lexical, scope = self._search.views.lexical, self._search.scope
        return {name: lexical.search(*one, scope, self._limit) for name, one in self._asked.items()}

    def _rate(self, ids: Sequence[str]) -> dict[str, Scores]:
        lexical, scope = self._search.views.lexical, self._search.scope
        rated: dict[str, Scores] = {}
        for name, found in self._found.result().items():
            unknown = [entry_id for entry_id in ids if entry_id not in found] if len(found) >= self._limit else []
            others = lexical.scores(*self._asked[name], scope, unknown) if unknown else {}
            rated[name] = _in_order(ids, {**found, **others}, 0.0)
        return rated


def _rate(search: _Search, recipe: Recipe, words: _Words, entries: Sequence[Entry]) -> dict[str, Scores]:
    """What each signal of the recipe says of entries, as raw scores, only comparable within the signal."""
    by_words = words.rate([entry.entry_id for entry in entries])
    rated = {name: rate(search, entries) for name, rate in _RATERS.items() if recipe.uses(name)}
    return {**by_words.result(), **rated}


def _candidates(search: _Search, recipe: Recipe, words: _Words) -> list[Entry]:
    """The union of all rankers' best, by position, so that equal scores always come out in the same order."""
    views, scope, limit = search.views, search.scope, recipe.candidates
    rankers: dict[str, Callable[[], Candidates]] = {
        signal.DENSE_SENTENCE: lambda: views.vectors.search(SENTENCES, search.vector, scope, limit),
        signal.DENSE_CONTEXT: lambda: views.vectors.search(CONTEXT, search.vector, scope, limit),
        signal.DATE: lambda: _told_on_dates(search, limit),
    }
    found = {entry_id for name, run in rankers.items() if recipe.uses(name) for entry_id in run()} | words.best()
    known = (views.catalogue.entry(entry_id) for entry_id in found)
    entries = [entry for entry in known if entry is not None and _is_shown(entry, scope)]
    if recipe.uses(signal.VALIDITY):
        entries = with_successors(entries, lambda entry_id: _within(search, entry_id))
    return sorted(entries, key=lambda entry: entry.position)


def _is_shown(entry: Entry, scope: Scope) -> bool:
    """Whether an entry is a user's, or the service's own asked for by its name."""
    return entry.user_id != CANARY_USER or scope.user_id == CANARY_USER


def _within(search: _Search, entry_id: str) -> Entry | None:
    """An entry by its id; None unless the search may find it."""
    entry = search.views.catalogue.entry(entry_id)
    return entry if entry is not None and search.scope.allows(entry) else None


def _told_on_dates(search: _Search, limit: int) -> Candidates:
    """Entries told on a day the question names: of those, the best by meaning."""
    dates = search.question.dates
    if not dates:
        return {}
    told = search.views.catalogue.on_days(search.scope, lambda day: any(span.covers(day) for span in dates))
    return search.views.vectors.search(SENTENCES, search.vector, told, limit)


def _rate_meaning(field: str) -> Callable[[_Search, Sequence[Entry]], Scores]:
    def rate(search: _Search, entries: Sequence[Entry]) -> Scores:
        ids = [entry.entry_id for entry in entries]
        found = search.views.vectors.scores(field, search.vector, search.scope, ids)
        return _in_order(ids, found, min(found.values(), default=0.0))

    return rate


def _rate_date(search: _Search, entries: Sequence[Entry]) -> Scores:
    dates = search.question.dates
    if not dates:
        return np.zeros(len(entries))
    return np.array([float(_is_about(entry, dates)) for entry in entries])


def _is_about(entry: Entry, dates: Sequence[DateSpan]) -> bool:
    """Whether an entry was told on one of the days, or speaks of one."""
    if entry.timestamp is not None and any(span.covers(entry.timestamp.date()) for span in dates):
        return True
    own = find_absolute(entry.lossless_restatement)
    return any(span.covers(days.first) or span.covers(days.last) for span in dates for days in own)


def _rate_speaker(search: _Search, entries: Sequence[Entry]) -> Scores:
    people = search.question.people
    only = people[0] if len(people) == 1 else None
    return np.array([float(only is not None and entry.speaker == only) for entry in entries])


def _rate_question(_search: _Search, entries: Sequence[Entry]) -> Scores:
    return np.array([float(is_question(entry.text)) for entry in entries])


def _rate_answers(search: _Search, entries: Sequence[Entry], total: Scores) -> Scores:
    """The score of the question that each entry follows; the least of all where it follows none that was found."""
    scores = {entry.entry_id: score for entry, score in zip(entries, total, strict=True) if is_question(entry.text)}
    least = float(total.min())
    before = (search.views.catalogue.previous(entry) for entry in entries)
    return np.array([scores.get(entry_id, least) if entry_id else least for entry_id in before])


def _sum(shares: Mapping[str, Scores], size: int) -> Scores:
    return np.asarray(np.sum(list(shares.values()), axis=0)) if shares else np.zeros(size)


def _in_order(ids: Sequence[str], found: Candidates, absent: float) -> Scores:
    return np.array([found.get(entry_id, absent) for entry_id in ids], dtype=np.float64)


_RATERS: dict[str, Callable[[_Search, Sequence[Entry]], Scores]] = {
    signal.DENSE_SENTENCE: _rate_meaning(SENTENCES),
    signal.DENSE_CONTEXT: _rate_meaning(CONTEXT),
    signal.DATE: _rate_date,
    signal.SPEAKER: _rate_speaker,
    signal.QUESTION: _rate_question,
    signal.RECENCY: lambda _search, entries: rate_recency(entries),
}
"""How each signal but those of words rates entries."""

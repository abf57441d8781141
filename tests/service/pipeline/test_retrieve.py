"""Retrieval over the project's own conversations, with the real model and both lexical engines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from simplemem_service.embedding.local import LocalEmbedding
from simplemem_service.index.base import LexicalView
from simplemem_service.index.catalogue import Catalogue
from simplemem_service.index.follow import Follower
from simplemem_service.index.rank_bm25_index import RankBm25Index
from simplemem_service.index.tantivy_index import TantivyIndex
from simplemem_service.index.vector_index import VectorIndex
from simplemem_service.models.entry import EmbeddedEntry
from simplemem_service.models.query import EntryFilter, Query
from simplemem_service.pipeline.compress import Compressor
from simplemem_service.pipeline.recipe import DATE, SPEAKER, WEIGHTS, Recipe
from simplemem_service.pipeline.retrieve import Retriever
from tests.support.changes import Rows
from tests.support.conversations import SmallConversation, read_conversation

ENGINES = pytest.mark.parametrize("make_lexical", [TantivyIndex, RankBm25Index])


async def remember(embedding: LocalEmbedding, *conversations: SmallConversation) -> list[EmbeddedEntry]:
    compressor = Compressor(embedding, window_turns=40, overlap_turns=2, density_threshold=0)
    rows: list[EmbeddedEntry] = []
    for conversation in conversations:
        for turns in conversation.sessions:
            rows += (await compressor.compress(turns, [], len(rows))).entries
    return rows


async def make_retriever(
    embedding: LocalEmbedding,
    rows: Sequence[EmbeddedEntry],
    make_lexical: Callable[[], LexicalView] = TantivyIndex,
    recipe: Recipe | None = None,
) -> Retriever:
    follower = Follower(Rows(rows), make_lexical(), VectorIndex(), Catalogue())
    await follower.catch_up()
    return Retriever(embedding, follower, recipe)


async def ask(retriever: Retriever, text: str, top_k: int = 3, **where: object) -> list[str]:
    found = await retriever.retrieve(Query(text, top_k, 1000, EntryFilter(**where)))  # type: ignore[arg-type]
    return [source for hit in found.hits for source in hit.entry.sources]


@ENGINES
@pytest.mark.parametrize(("name", "depth"), [("english", 3), ("german", 5), ("chinese", 5)])
async def test_the_answer_is_among_the_best(
    minilm: LocalEmbedding, make_lexical: Callable[[], LexicalView], name: str, depth: int
) -> None:
    conversation = read_conversation(name)
    retriever = await make_retriever(minilm, await remember(minilm, conversation), make_lexical)
    for question, evidence in conversation.questions:
        found = await ask(retriever, question, depth, user_id=conversation.user_id)
        assert set(evidence) <= set(found), question
    retriever.close()


async def test_a_search_sees_one_user_only(minilm: LocalEmbedding) -> None:
    english, german = read_conversation("english"), read_conversation("german")
    retriever = await make_retriever(minilm, await remember(minilm, english, german))
    found = await retriever.retrieve(Query("Katze Minka", 50, 10_000, EntryFilter(user_id="greta")))
    assert {hit.entry.user_id for hit in found.hits} == {"greta"}
    assert (await retriever.retrieve(Query("Katze", 5, 100, EntryFilter(user_id="nobody")))).hits == ()
    everybody = await retriever.retrieve(Query("Katze Minka", 50, 10_000))
    assert {hit.entry.user_id for hit in everybody.hits} == {"greta", "jonas"}
    retriever.close()


async def test_a_complex_question_gets_more_entries_where_their_number_is_left_open(minilm: LocalEmbedding) -> None:
    retriever = await make_retriever(minilm, await remember(minilm, read_conversation("english")))
    simple = await retriever.retrieve(Query("Where is the cat?", 4, 1000, deepens=True))
    several = await retriever.retrieve(Query("What are all the names?", 4, 1000, deepens=True))
    exact = await retriever.retrieve(Query("What are all the names?", 4, 1000))
    retriever.close()
    assert (simple.complexity, simple.depth, len(simple.hits)) == (0.0, 4, 4)
    assert (several.complexity, several.depth, len(several.hits)) == (0.75, 7, 7)
    assert (exact.complexity, exact.depth, len(exact.hits)) == (0.75, 4, 4)
    assert several.hits[:4] == exact.hits


async def test_filters_lose_nothing_however_narrow(minilm: LocalEmbedding) -> None:
    rows = await remember(minilm, read_conversation("english"))
    retriever = await make_retriever(minilm, rows)
    for row in rows:
        told = row.entry.timestamp
        assert told is not None
        found = await ask(retriever, "anything", 100, session_id=row.entry.session_id, since=told, until=told)
        assert row.entry.sources[0] in found
    assert await ask(retriever, "dog", 100, persons=("oskar",), until=datetime(2024, 3, 5, tzinfo=UTC)) != []
    assert await ask(retriever, "dog", 100, location="Atlantis") == []
    assert await ask(retriever, "dog", 100, session_id="session-9") == []
    retriever.close()


async def test_a_filter_finds_what_is_far_down_without_it(minilm: LocalEmbedding) -> None:
    rows = await remember(minilm, read_conversation("english"))
    retriever = await make_retriever(minilm, rows, recipe=Recipe(candidates=1))
    assert await ask(retriever, "pottery mug", 5, session_id="session-2") != []
    retriever.close()


async def test_the_date_and_the_speaker_weigh(minilm: LocalEmbedding) -> None:
    rows = await remember(minilm, read_conversation("english"))
    retriever = await make_retriever(minilm, rows)
    found = await retriever.retrieve(Query("What did Greta begin on 27 February 2024?", 5, 500, explain=True))
    assert found.hits[0].entry.sources == ("t5",)
    assert found.hits[0].scores[DATE] == WEIGHTS[DATE]
    assert found.hits[0].scores[SPEAKER] == WEIGHTS[SPEAKER]
    retriever.close()


async def test_scores_add_up_and_fall(minilm: LocalEmbedding) -> None:
    rows = await remember(minilm, read_conversation("english"))
    retriever = await make_retriever(minilm, rows)
    hits = (await retriever.retrieve(Query("Where does Oskar live?", 20, 500))).hits
    assert all(hit.score == pytest.approx(sum(hit.scores.values())) for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert set(hits[0].scores) == {signal for signal, weight in WEIGHTS.items() if weight}
    retriever.close()


async def test_a_signal_switched_off_has_no_share(minilm: LocalEmbedding) -> None:
    rows = await remember(minilm, read_conversation("english"))
    for signal in WEIGHTS:
        retriever = await make_retriever(minilm, rows, recipe=Recipe().without(signal))
        hits = (await retriever.retrieve(Query("Where does Oskar live since 9 March 2024?", 3, 500))).hits
        assert hits
        assert signal not in hits[0].scores
        retriever.close()


async def test_the_context_keeps_to_its_budget(minilm: LocalEmbedding) -> None:
    rows = await remember(minilm, read_conversation("english"))
    retriever = await make_retriever(minilm, rows)
    for budget in (0, 5, 40, 200):
        found = await retriever.retrieve(Query("Where does Oskar live?", 10, budget))
        assert found.context_tokens == minilm.count_tokens(found.context) <= budget
    assert "[4 March 2024] Oskar: " in found.context
    retriever.close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "?",
        '"unclosed',
        "user:greta AND *",
        "(((",
        "a" * 5000,
        "\x00",
        "🙂",
        "context:x^9~2",
        "' OR 1=1 --",
        "日",
    ],
)
async def test_any_question_is_data(minilm: LocalEmbedding, text: str) -> None:
    rows = await remember(minilm, read_conversation("english"))
    retriever = await make_retriever(minilm, rows)
    found = await retriever.retrieve(Query(text, 5, 100, EntryFilter(user_id="greta")))
    assert len(found.hits) == 5
    retriever.close()


async def test_an_empty_store_answers_with_nothing(minilm: LocalEmbedding) -> None:
    retriever = await make_retriever(minilm, [])
    found = await retriever.retrieve(Query("Where?", 5, 100))
    assert (found.hits, found.context, found.context_tokens) == ((), "", 0)
    retriever.close()


async def test_many_searches_run_while_entries_arrive(minilm: LocalEmbedding) -> None:
    rows = await remember(minilm, read_conversation("english"))
    table = Rows([])
    follower = Follower(table, TantivyIndex(), VectorIndex(), Catalogue())
    retriever = Retriever(minilm, follower)

    async def write() -> None:
        for row in rows:
            table.rows.append(row)
            await follower.catch_up()

    async def search() -> list[int]:
        return [len((await retriever.retrieve(Query("Where does Oskar live?", 100, 10_000))).hits) for _ in range(10)]

    _, *counts = await asyncio.gather(write(), *(search() for _ in range(8)))
    assert all(count is not None and count == sorted(count) for count in counts)
    assert len((await retriever.retrieve(Query("Where does Oskar live?", 100, 10_000))).hits) == len(rows)
    retriever.close()

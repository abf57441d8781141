"""A provider's embedding model: how it is called, paid for and believed; real LiteLLM against a scripted server."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from simplemem_service.embedding import api_embedding
from simplemem_service.embedding.api_embedding import BATCH_TEXTS, BLANK, DOCUMENT_CALLS, ApiEmbedding
from simplemem_service.errors import (
    EmbeddingError,
    EmbeddingRefusedError,
    EmbeddingUnavailableError,
    OverloadedError,
)
from simplemem_service.llm.budget import Budget
from simplemem_service.llm.ledger import Ledger
from simplemem_service.llm.litellm_embeddings import LiteLlmEmbeddings
from simplemem_service.llm.provider_models import is_provider_model
from simplemem_service.llm.spending import Spending
from simplemem_service.models.entry import Vector
from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.telemetry import Metrics
from tests.support.embedding import embed
from tests.support.openai_server import Bytes, Failure, OpenAiServer, Silence, Vectors
from tests.support.server import Starter, eventually, finish, list_sources, remember

MODEL = "text-embedding-3-small"
KEY = "sk-live-0123456789abcdef"

pytestmark = pytest.mark.usefixtures("quiet_library")


class Maker:
    """Models that ask the scripted server and write one ledger."""

    def __init__(self, server: OpenAiServer, folder: Path, metrics: Metrics) -> None:
        self._server = server
        self._metrics = metrics
        clock = lambda: datetime(2026, 3, 10, tzinfo=UTC)  # noqa: E731 - a name for one line
        self.budget = Budget(None, Ledger(LocalBlobStore(folder), "pod", clock=clock))

    async def load(self, model: str = MODEL, call_seconds: float = 5) -> ApiEmbedding:
        spending = Spending(self._metrics, self.budget)
        provider = LiteLlmEmbeddings(model, self._server.url, call_seconds, spending, self._metrics)
        embedding = ApiEmbedding(model, provider, first_pause_seconds=0.01)
        await embedding.load()
        self._server.embedded.clear()
        return embedding


@pytest.fixture
def maker(openai_server: OpenAiServer, tmp_path: Path, metrics: Metrics) -> Maker:
    return Maker(openai_server, tmp_path, metrics)


def is_near(found: Vector, text: str) -> bool:
    return bool(np.allclose(found, embed(text), atol=1e-6))


async def test_vectors_are_unit_vectors_in_the_order_of_the_texts(maker: Maker, openai_server: OpenAiServer) -> None:
    embedding = await maker.load()
    assert embedding.dimension == openai_server.dimension
    texts = [f"parcel {number} of Ada" for number in range(100)]
    vectors = await embedding.encode_documents([*texts, texts[3]])
    assert all(is_near(vector, text) for vector, text in zip(vectors, [*texts, texts[3]], strict=True))
    assert vectors[0].dtype == np.float32
    assert sorted(openai_server.embedded_texts) == sorted(texts)
    assert max(len(request["input"]) for request in openai_server.embedded) == BATCH_TEXTS
    assert is_near(await embedding.encode_query("where is it"), "where is it")


async def test_a_text_is_paid_for_once(maker: Maker, openai_server: OpenAiServer) -> None:
    embedding = await maker.load()
    await embedding.encode_documents(["red car", "blue car"])
    await embedding.encode_documents(["blue car", "red car"])
    await embedding.encode_query("red car")
    await embedding.encode_query("red car")
    assert openai_server.embedded_texts == ["red car", "blue car", "red car"]


async def test_tokens_and_cost_are_noted(maker: Maker, openai_server: OpenAiServer, metrics: Metrics) -> None:
    embedding = await maker.load()
    before = (await maker.budget.report())["month_usd"]
    openai_server.script_embeddings(Vectors([[1.0] * 32], tokens=1_000_000))
    await embedding.encode_documents(["a long text"])
    # 0.02 US dollars a million tokens.
    report = await maker.budget.report()
    assert report["month_usd"] - before == pytest.approx(0.02)
    assert report["by_model"][MODEL]["calls"] == 2
    value = metrics.registry.get_sample_value
    assert value("simplemem_llm_tokens_total", {"model": MODEL, "direction": "input"}) == 1_000_003
    assert value("simplemem_llm_cost_usd_total", {"model": MODEL}) == pytest.approx(0.02, rel=1e-4)


async def test_limits_and_failures_are_waited_out(maker: Maker, openai_server: OpenAiServer, metrics: Metrics) -> None:
    embedding = await maker.load()
    openai_server.script_embeddings(Failure(429, "slow down", {"retry-after": "0.3"}), Failure(500), Failure(503))
    started = time.monotonic()
    (vector,) = await embedding.encode_documents(["red car"])
    assert is_near(vector, "red car")
    assert time.monotonic() - started >= 0.3
    assert len(openai_server.embedded) == 4
    labels = {"model": MODEL, "code": "EmbeddingUnavailable"}
    assert metrics.registry.get_sample_value("simplemem_llm_errors_total", labels) == 3


async def test_what_was_paid_for_before_a_failure_is_kept(maker: Maker, openai_server: OpenAiServer) -> None:
    embedding = await maker.load()
    texts = [f"parcel {number}" for number in range(BATCH_TEXTS)]
    await embedding.encode_documents(texts)
    openai_server.embedding_failure = Failure(500)
    with pytest.raises(EmbeddingUnavailableError, match=r"500|unwell"):
        await embedding.encode_documents([*texts, "one more"])
    openai_server.embedding_failure = None
    openai_server.embedded.clear()
    await embedding.encode_documents([*texts, "one more"])
    assert openai_server.embedded_texts == ["one more"]


@pytest.mark.parametrize(
    "answer",
    [
        Vectors([[1.0] * 16]),
        Vectors([]),
        Vectors([[1.0] * 32, [1.0] * 32]),
        Vectors([[0.0] * 32]),
        Vectors([[float("nan")] * 32]),
    ],
    ids=["another length", "none", "too many", "zero", "not a number"],
)
async def test_vectors_that_are_none_are_not_believed(
    maker: Maker, openai_server: OpenAiServer, answer: Vectors
) -> None:
    embedding = await maker.load()
    openai_server.script_embeddings(answer)
    with pytest.raises(EmbeddingRefusedError, match=MODEL):
        await embedding.encode_documents(["red car"])
    assert is_near((await embedding.encode_documents(["red car"]))[0], "red car")


async def test_an_answer_that_is_none_is_tried_again(maker: Maker, openai_server: OpenAiServer) -> None:
    embedding = await maker.load()
    openai_server.script_embeddings(Bytes(b"<html>"), Bytes(b'{"data": [{}]}'))
    assert is_near((await embedding.encode_documents(["red car"]))[0], "red car")


async def test_a_wrong_key_is_told_at_once_and_not_shown(
    maker: Maker, openai_server: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    embedding = await maker.load()
    assert set(openai_server.keys) == {f"Bearer {KEY}"}
    openai_server.script_embeddings(Failure(401, f"Incorrect API key provided: {KEY}"))
    with pytest.raises(EmbeddingRefusedError) as caught:
        await embedding.encode_documents(["red car"])
    assert len(openai_server.embedded) == 1
    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_a_refused_text_fails_for_good(maker: Maker, openai_server: OpenAiServer) -> None:
    embedding = await maker.load()
    openai_server.script_embeddings(Failure(400, "this text is not allowed"))
    with pytest.raises(EmbeddingError, match="not allowed"):
        await embedding.encode_documents(["red car"])
    assert len(openai_server.embedded) == 1


async def test_a_silent_server_costs_a_question_its_time_limit(
    maker: Maker, openai_server: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_embedding, "QUERY_LIMIT", api_embedding.QUERY_LIMIT / 20)
    embedding = await maker.load()
    openai_server.script_embeddings(Silence(5))
    started = time.monotonic()
    with pytest.raises(EmbeddingUnavailableError, match=r"within 0\.15 s"):
        await embedding.encode_query("where is it")
    assert time.monotonic() - started < 2


async def test_a_silent_server_costs_a_document_the_time_of_a_call(maker: Maker, openai_server: OpenAiServer) -> None:
    embedding = await maker.load(call_seconds=0.3)
    openai_server.script_embeddings(Silence(5))
    assert is_near((await embedding.encode_documents(["red car"]))[0], "red car")


async def test_calls_at_a_time_are_bounded(maker: Maker, openai_server: OpenAiServer) -> None:
    embedding = await maker.load()
    openai_server.script_embeddings(*(Silence(30) for _ in range(DOCUMENT_CALLS)))
    texts = [f"parcel {number}" for number in range(BATCH_TEXTS * (DOCUMENT_CALLS + 4))]
    job = asyncio.create_task(embedding.encode_documents(texts))
    async with asyncio.timeout(20):
        while len(openai_server.embedded) < DOCUMENT_CALLS:
            await asyncio.sleep(0.01)
    # A question has calls of its own.
    assert is_near(await embedding.encode_query("red car"), "red car")
    assert len(openai_server.embedded) == DOCUMENT_CALLS + 1
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)


async def test_too_many_questions_are_turned_away(
    maker: Maker, openai_server: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_embedding, "MOST_QUERIES", 2)
    embedding = await maker.load()
    openai_server.script_embeddings(Silence(2), Silence(2))
    asked = [asyncio.create_task(embedding.encode_query(f"question {number}")) for number in range(2)]
    await asyncio.sleep(0.1)
    with pytest.raises(OverloadedError, match="2 questions wait"):
        await embedding.encode_query("one more")
    for one in asked:
        one.cancel()
    await asyncio.gather(*asked, return_exceptions=True)


async def test_blank_and_overlong_texts_are_made_fit(maker: Maker, openai_server: OpenAiServer) -> None:
    embedding = await maker.load("openai/of-our-own")
    await embedding.encode_documents([" \n", "word " * 5_000])
    sent = openai_server.embedded_texts
    assert sent[0] == BLANK
    assert 100 < embedding.count_tokens(sent[1]) < 512
    assert embedding.count_tokens("I moved to Rome.") == 5


async def test_the_prefixes_of_a_model_s_card_are_sent(maker: Maker, openai_server: OpenAiServer) -> None:
    embedding = await maker.load("openai/multilingual-e5-large")
    await embedding.encode_documents(["red car"])
    await embedding.encode_query("red car")
    assert openai_server.embedded_texts == ["passage: red car", "query: red car"]


async def test_a_cohere_model_is_told_questions_from_documents(metrics: Metrics) -> None:
    provider = LiteLlmEmbeddings("embed-english-v3.0", None, 5, Spending(metrics, None), metrics)
    await provider.open()
    kinds = [provider._arguments(["x"], is_query=is_query)["input_type"] for is_query in (True, False)]
    assert kinds == ["search_query", "search_document"]


async def test_a_provider_that_does_not_exist_is_told(metrics: Metrics) -> None:
    provider = LiteLlmEmbeddings("nobody-knows/this", None, 5, Spending(metrics, None), metrics)
    with pytest.raises(EmbeddingRefusedError, match="nobody-knows"):
        await provider.open()


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("text-embedding-3-large", True),
        ("text-embedding-ada-002", True),
        ("voyage/voyage-3", True),
        ("openai/of-our-own", True),
        ("all-MiniLM-L6-v2", False),
        ("intfloat/multilingual-e5-large", False),
        ("minilm-half-256", False),
    ],
)
def test_a_provider_s_model_is_told_by_its_name(model: str, expected: bool) -> None:
    assert is_provider_model(model) is expected


API_STORE: dict[str, Any] = {"embedding": {"model": "openai/of-our-own", "dimension": 32, "device": "API"}}


def test_a_store_remembers_and_finds_by_a_provider_s_vectors(
    make_server: Starter, openai_server: OpenAiServer, tmp_path: Path
) -> None:
    llm = {"mode": "Rules", "apiBase": openai_server.url}
    server = make_server(tmp_path, {"OPENAI_API_KEY": KEY}, llm=llm, **API_STORE)
    openai_server.embedding_failure = Failure(500)
    server.start()
    eventually(lambda: server.reason("embedding") == "EmbeddingApiFailing", within=60, what="the reason at /readyz")
    openai_server.embedding_failure = None
    server.wait_ready()
    with server.client() as client:
        ids = remember(client, "ada", "I moved to Rome.", "My piano came along.")
        found = client.post("/v1/search", json={"query": "Where is the piano?"}).json()["results"]
        assert found[0]["sources"] == [ids[1]]
        status = client.get("/v1/status").json()
        assert (status["model"], status["dimension"]) == ("openai/of-our-own", 32)
        assert status["spend"]["by_model"]["openai/of-our-own"]["input_tokens"] > 0

        openai_server.embedding_failure = Failure(401, f"Incorrect API key provided: {KEY}")
        turns = [{"id": "later", "speaker": "Ada", "text": "My cello is in the cellar."}]
        answer = client.post("/v1/turns", json={"user_id": "ada", "session_id": "s", "turns": turns})
        operation = answer.raise_for_status().json()["operation_id"]
        for query in ("What of the piano?", "Which piano came?", "Whose piano?", "And the piano?"):
            by_words = client.post("/v1/search", json={"query": query, "explain": True}).raise_for_status().json()
            assert by_words["results"][0]["sources"] == [ids[1]]
            assert by_words["degraded"] in ("EmbeddingRefused", "EmbeddingUnavailable")
            assert not any(name.startswith("dense") for name in by_words["results"][0]["scores"])
        assert "simplemem_degraded_searches_total" in client.get("/metrics").text
        eventually(lambda: server.reason("ingest") == "IngestFailing", within=30, what="ingest waits")
        openai_server.embedding_failure = None
        assert finish(client, operation)["state"] == "Succeeded"

        def is_whole() -> bool:
            answer = client.post("/v1/search", json={"query": "Where is the cello?"}).raise_for_status().json()
            return answer["degraded"] is None and answer["results"][0]["sources"] == ["later"]

        assert eventually(is_whole, within=30, what="a search by meaning")
        assert list_sources(client, "ada") == [*ids, "later"]
    server.stop()
    openai_server.dimension = 16
    server.start()
    eventually(lambda: server.reason("embedding") == "ModelMismatch", within=60, what="the reason at /readyz")
    assert KEY not in server.log()
    with pytest.raises(httpx.HTTPStatusError):
        httpx.post(f"{server.url}/v1/search", json={"query": "Rome"}).raise_for_status()

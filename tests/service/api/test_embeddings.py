"""OpenAI's embeddings call: a process of the role embedding, asked as clients ask it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from openai import BadRequestError, OpenAI, UnprocessableEntityError

from simplemem_service.api import embeddings
from simplemem_service.config import Config, Role
from simplemem_service.main import create_app
from tests.support.embedding import TinyEmbedding
from tests.support.server import Server
from tests.support.stores import make_store

TEXTS = ["Ada lives in Rome.", "The cat sleeps.", "Ada's home is in Rome."]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A process that encodes for others."""
    server = Server(tmp_path_factory.mktemp("embedding"))
    server.serve("embedding")
    try:
        server.wait_ready()
        yield server
        assert server.stop() == 0
    finally:
        server.kill()


@pytest.fixture(scope="module")
def http(encoder: Server) -> Iterator[httpx.Client]:
    with encoder.client() as client:
        yield client


def embed(http: httpx.Client, **body: Any) -> dict[str, Any]:
    found: dict[str, Any] = http.post("/v1/embeddings", json=body).raise_for_status().json()
    return found


def test_vectors_come_in_order_and_mean_something(http: httpx.Client) -> None:
    found = embed(http, input=TEXTS, model="all-MiniLM-L6-v2")
    assert (found["object"], found["model"]) == ("list", "all-MiniLM-L6-v2")
    assert [one["index"] for one in found["data"]] == [0, 1, 2]
    vectors = np.array([one["embedding"] for one in found["data"]])
    assert vectors.shape == (3, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[2] > 0.8
    assert vectors[0] @ vectors[1] < 0.3
    assert found["usage"]["prompt_tokens"] == found["usage"]["total_tokens"] > 10
    assert len(embed(http, input="one text")["data"]) == 1


def test_base64_holds_the_same_numbers(http: httpx.Client) -> None:
    floats = embed(http, input=TEXTS)["data"]
    packed = embed(http, input=TEXTS, encoding_format="base64")["data"]
    for one, other in zip(floats, packed, strict=True):
        decoded = np.frombuffer(base64.b64decode(other["embedding"]), dtype="<f4")
        assert np.array_equal(decoded, np.array(one["embedding"], dtype=np.float32))


def test_openai_s_own_client_gets_its_vectors(encoder: Server) -> None:
    with OpenAI(base_url=f"{encoder.url}/v1", api_key="none", max_retries=0) as client:
        found = client.embeddings.create(input=TEXTS, model="all-MiniLM-L6-v2")
        assert len(found.data) == 3
        assert len(found.data[0].embedding) == 384
        same = client.embeddings.create(input=TEXTS[0], model="any", dimensions=384)
        assert np.allclose(same.data[0].embedding, found.data[0].embedding, atol=1e-3)
        with pytest.raises((UnprocessableEntityError, BadRequestError), match="has 384, not 128"):
            client.embeddings.create(input=TEXTS, model="any", dimensions=128)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["x", " "]}, "input"),
        ({"input": "x" * 100_001}, "input"),
        ({"input": ["x"] * 2049}, "input"),
        ({"input": [[1, 2]]}, "input"),
        ({"input": "x", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "x", "dimensions": 0}, "dimensions"),
        ({"input": "x", "dimensions": 383}, "dimensions"),
    ],
)
def test_a_wrong_request_is_refused_by_its_field(http: httpx.Client, body: dict[str, Any], field: str) -> None:
    refused = http.post("/v1/embeddings", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "InvalidInput")
    assert refused.json()["field"].startswith(field)


def test_requests_at_once_all_get_their_own_vectors(http: httpx.Client) -> None:
    def ask(number: int) -> np.ndarray[Any, Any]:
        return np.array(embed(http, input=f"Parcel {number} went to town {number * 7}.")["data"][0]["embedding"])

    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(ask, range(48)))
    assert all(np.allclose(ask(number), together[number], atol=0.02) for number in (0, 17, 47))
    assert len({tuple(np.round(vector, 4)) for vector in together}) == 48


def test_the_role_answers_nothing_else(http: httpx.Client) -> None:
    assert http.post("/v1/search", json={"query": "x"}).status_code == 404
    assert http.get("/readyz").json()["checks"].keys() == {"embedding"}


async def test_more_than_may_wait_is_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "EMBEDDING_TEXTS_MAX", 2)
    app = create_app(Config(store=make_store(tier="Minimal"), data=tmp_path, role=Role.EMBEDDING))
    app.state.service.embedding = TinyEmbedding(seconds=0.2)
    app.state.service.health.is_open = True
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        first = asyncio.create_task(client.post("/v1/embeddings", json={"input": ["a", "b"]}))
        await asyncio.sleep(0.05)
        refused = await client.post("/v1/embeddings", json={"input": "c"})
        assert (refused.status_code, refused.json()["code"]) == (429, "Overloaded")
        assert refused.headers["retry-after"] == "1"
        assert (await first).status_code == 200
        assert (await client.post("/v1/embeddings", json={"input": ["c", "d", "e"]})).status_code == 200

"""Texts go to the embedding pods while there are any, and are encoded here while there are none.

Pods are real processes of the role embedding; a server of our own stands in for those that fail.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simplemem_service.api.token_file import read_own_token
from simplemem_service.config import read_embedding_addresses
from simplemem_service.embedding import remote
from simplemem_service.embedding.local import LocalEmbedding
from simplemem_service.embedding.model_files import find_weights
from simplemem_service.embedding.remote import BATCH_TEXTS, Address, RemoteEmbedding
from simplemem_service.embedding.torch_encoder import TorchEncoder
from simplemem_service.errors import ConfigError, OverloadedError
from simplemem_service.rate import Rate
from simplemem_service.telemetry import Metrics
from tests.support.embedding import DIMENSION, TinyEmbedding, embed
from tests.support.server import Server, list_sources, remember

SENTENCES = [
    f"{name} {deed} {place} on {day}."
    for name in ("Ada", "Boris", "Chloé", "Dmitri")
    for deed in ("met the landlord in", "bought 14 tomato plants in", "lost her keys somewhere in", "moved to")
    for place in ("Lisbon", "the old library", "上海", "Rue de l'Église 7")
    for day in ("Monday", "3 May 2024")
]


class Broken:
    """An HTTP server that answers as it is told, after a while; it counts what it is asked."""

    def __init__(self) -> None:
        self.answer: Callable[[list[str]], tuple[int, bytes]] = lambda texts: (200, reply(texts))
        self.delay = 0.0
        self.asked: list[int] = []
        self.tokens: set[str] = set()
        broken = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
                broken.asked.append(len(texts))
                broken.tokens.add(self.headers.get("Authorization", ""))
                time.sleep(broken.delay)
                status, body = broken.answer(texts)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address: Address = ("127.0.0.1", self._server.server_port)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def reply(texts: list[str], scale: float = 1.0) -> bytes:
    data = [{"index": index, "embedding": (scale * embed(text)).tolist()} for index, text in enumerate(texts)]
    return json.dumps({"data": data[::-1]}).encode()


class Cluster:
    """What a cluster's DNS says of the embedding pods."""

    def __init__(self) -> None:
        self.addresses: list[Address] = []

    async def find(self, host: str, port: int) -> list[Address]:
        assert (host, port) == ("notes-embedding", 8000)
        return self.addresses


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(remote, "LOOK_UP", timedelta(0))
    return Cluster()


@pytest.fixture
def broken() -> Iterator[Broken]:
    server = Broken()
    yield server
    server.close()


@pytest.fixture
async def tiny(cluster: Cluster) -> AsyncIterator[RemoteEmbedding]:
    """Over the tiny model, with a clock that the test moves."""
    embedding = make(TinyEmbedding(), cluster)
    await embedding.load()
    yield embedding
    await embedding.close()


class Clock:
    now = 0.0


def make(local: Any, cluster: Cluster, **options: Any) -> RemoteEmbedding:
    return RemoteEmbedding(local, [("notes-embedding", 8000)], Metrics(), find=cluster.find, **options)


def counted(embedding: RemoteEmbedding) -> dict[str, float]:
    metric = embedding._metrics.encoded_texts_total
    return {where: metric.labels(where)._value.get() for where in ("here", "pods")}


async def check(embedding: RemoteEmbedding, texts: list[str]) -> None:
    """The vectors are those of the tiny model, in order, wherever they come from."""
    found = await embedding.encode_documents(texts)
    assert np.allclose(np.stack(found), np.stack([embed(text) for text in texts]), atol=1e-6)


async def test_without_pods_texts_are_encoded_here(tiny: RemoteEmbedding) -> None:
    await check(tiny, ["a b", "c", "a b"])
    assert counted(tiny) == {"here": 2, "pods": 0}
    assert await tiny.encode_documents([]) == []


async def test_texts_go_to_the_pods_once_each_and_questions_stay(
    tiny: RemoteEmbedding, cluster: Cluster, broken: Broken
) -> None:
    cluster.addresses = [broken.address]
    texts = [f"text number {number}" for number in range(300)]
    await check(tiny, [*texts, "", "text number 1"])
    await check(tiny, texts)
    assert counted(tiny) == {"here": 1, "pods": 300}
    assert sorted(count for count in broken.asked if count > 1) == [300 - 2 * BATCH_TEXTS, BATCH_TEXTS, BATCH_TEXTS]
    asked = len(broken.asked)
    assert np.allclose(await tiny.encode_query("where"), embed("where"))
    assert len(broken.asked) == asked


async def test_work_is_spread_over_the_pods(tiny: RemoteEmbedding, cluster: Cluster, broken: Broken) -> None:
    other = Broken()
    cluster.addresses = [broken.address, other.address]
    broken.delay = other.delay = 0.05
    await check(tiny, [f"text {number}" for number in range(8 * BATCH_TEXTS)])
    other.close()
    assert abs(sum(broken.asked) - sum(other.asked)) <= 2 * BATCH_TEXTS


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: (429, b"{}"),
        lambda _: (503, b"{}"),
        lambda _: (401, b"{}"),
        lambda _: (200, b"<html>"),
        lambda _: (200, b'{"data": [{"index": 0, "embedding": "*"}]}'),
        lambda texts: (200, reply(texts[1:])),
        lambda texts: (200, reply(texts, scale=2)),
    ],
)
async def test_a_pod_that_refuses_is_left_alone_for_a_while(
    cluster: Cluster, broken: Broken, answer: Callable[[list[str]], tuple[int, bytes]]
) -> None:
    clock = Clock()
    tiny = make(TinyEmbedding(), cluster, clock=lambda: clock.now)
    await tiny.load()
    cluster.addresses = [broken.address]
    await check(tiny, ["works"])
    broken.answer = answer
    await check(tiny, ["first", "second"])
    await check(tiny, ["third"])
    assert broken.asked == [1, 1, 2]
    assert counted(tiny) == {"here": 3, "pods": 1}
    broken.answer = lambda texts: (200, reply(texts))
    clock.now += remote.PAUSE.total_seconds()
    await check(tiny, ["fourth"])
    assert counted(tiny) == {"here": 3, "pods": 2}
    await tiny.close()


async def test_a_pod_that_hangs_costs_no_more_than_the_limit(
    tiny: RemoteEmbedding, cluster: Cluster, broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.addresses = [broken.address]
    await check(tiny, ["works"])
    monkeypatch.setattr(remote, "TIME_LIMIT", timedelta(seconds=0.2))
    broken.delay = 30.0
    start = time.monotonic()
    await check(tiny, [f"text {number}" for number in range(6 * BATCH_TEXTS)])
    assert time.monotonic() - start < 10
    assert counted(tiny)["here"] == 6 * BATCH_TEXTS


async def test_a_pod_of_another_model_is_never_believed(
    tiny: RemoteEmbedding, cluster: Cluster, broken: Broken, caplog: pytest.LogCaptureFixture
) -> None:
    def other_model(texts: list[str]) -> tuple[int, bytes]:
        return 200, reply([text[::-1] for text in texts])

    broken.answer = other_model
    cluster.addresses = [broken.address]
    await check(tiny, ["first"])
    await check(tiny, ["second"])
    assert broken.asked == [1]
    assert counted(tiny) == {"here": 2, "pods": 0}
    assert "vectors of another model" in caplog.records[-1].error  # type: ignore[attr-defined]


async def test_the_token_is_sent(cluster: Cluster, broken: Broken) -> None:
    tiny = make(TinyEmbedding(), cluster, read_token=lambda: "s3cr3t")
    await tiny.load()
    cluster.addresses = [broken.address]
    await check(tiny, ["text"])
    assert broken.tokens == {"Bearer s3cr3t"}
    await tiny.close()


async def test_an_error_of_our_own_model_reaches_the_caller(cluster: Cluster) -> None:
    local = TinyEmbedding()
    local.failures = [OverloadedError("full")]
    tiny = make(local, cluster)
    await tiny.load()
    with pytest.raises(OverloadedError, match="full"):
        await tiny.encode_documents(["text"])
    await tiny.close()
    assert tiny.dimension == DIMENSION


async def test_names_without_pods_are_found_to_have_none() -> None:
    assert await remote.look_up("notes-embedding.invalid", 8000) == []
    assert ("127.0.0.1", 8000) in await remote.look_up("localhost", 8000)


async def test_vectors_of_both_sides_agree() -> None:
    local = LocalEmbedding("all-MiniLM-L6-v2", is_offline=True)
    await local.load()
    ours = np.stack(await local.encode_documents(SENTENCES))
    await local.close()
    where = find_weights("all-MiniLM-L6-v2", None, is_offline=True)
    theirs = await asyncio.to_thread(lambda: TorchEncoder("all-MiniLM-L6-v2", str(where), "cpu").encode(SENTENCES))
    cosines = (ours * theirs).sum(axis=1)
    assert cosines.mean() >= 0.99
    assert cosines.min() >= remote.AGREEMENT
    # What a question finds does not depend on which side encoded the documents.
    assert np.mean(np.argmax(ours @ theirs.T, axis=1) == np.arange(len(SENTENCES))) == 1


def test_a_pod_taken_away_while_it_encodes_loses_nothing_and_comes_back(
    tmp_path: Path, make_server: Callable[..., Server]
) -> None:
    pod = make_server(tmp_path / "pod", tier="Minimal")
    pod.serve("embedding")
    # A writer that meets a pod before it listens leaves it alone for a while.
    pod.wait_ready()
    writer = make_server(
        tmp_path / "writer",
        {"SIMPLEMEM_EMBEDDING_URLS": pod.url},
        tier="Minimal",
        embedding={"device": "GPU"},
        lexical={"engine": "RankBM25"},
    )
    writer.serve("all")
    writer.wait_ready()

    def encoded() -> dict[str, float]:
        with writer.client() as client:
            lines = client.get("/metrics").text.splitlines()
        samples = [line.split() for line in lines if line.startswith("simplemem_encoded_texts_total")]
        return {name.split('"')[1]: float(value) for name, value in samples}

    with writer.client() as client:
        remember(client, "before", *(f"Ada planted rose number {number} today." for number in range(20)))
        assert encoded()["pods"] >= 20
        assert pod.readiness()["figures"]["texts_per_minute"] >= 20
        pod.kill()
        there = encoded()["pods"]
        ids = remember(client, "during", *(f"Boris sold car number {number} to Chloé." for number in range(200)))
        assert (encoded()["pods"], encoded()["here"] >= 200) == (there, True)
        assert sorted(set(list_sources(client, "during"))) == sorted(ids)
        pod.serve("embedding")
        pod.wait_ready()
        time.sleep(remote.PAUSE.total_seconds())
        remember(client, "after", "Dmitri moved to Lisbon.")
        assert encoded()["pods"] > there
        found = client.post("/v1/search", json={"query": "Who moved to Lisbon?"}).json()
        assert found["results"][0]["user_id"] == "after"


def test_addresses_are_read_and_wrong_ones_named() -> None:
    read = read_embedding_addresses
    assert read({}) == read({"SIMPLEMEM_EMBEDDING_URLS": ""}) == ()
    urls = "http://notes-embedding.team-a.svc:8000, http://[::1]:7"
    assert read({"SIMPLEMEM_EMBEDDING_URLS": urls}) == (("notes-embedding.team-a.svc", 8000), ("::1", 7))
    for wrong in ("notes-embedding:8000", "https://x:1", "http://x:port", "http://x/v1", "http://u:secret@x:1"):
        with pytest.raises(ConfigError, match="SIMPLEMEM_EMBEDDING_URLS"):
            read({"SIMPLEMEM_EMBEDDING_URLS": wrong})


def test_a_pod_reads_a_token_by_which_it_may_ask_another(tmp_path: Path) -> None:
    assert read_own_token(tmp_path / "absent") is None
    (tmp_path / "a-writer").write_text('{"token": "w", "scopes": ["write"]}')
    (tmp_path / "b-broken").write_text('{"token": ')
    assert read_own_token(tmp_path) is None
    (tmp_path / "c-reader").write_text('{"token": "r", "scopes": ["read"]}')
    assert read_own_token(tmp_path) == "r"


def test_what_happened_more_than_a_minute_ago_no_longer_counts() -> None:
    clock = Clock()
    rate = Rate(lambda: clock.now)
    rate.add(2)
    clock.now = 59.0
    rate.add(3)
    assert rate.per_minute() == 5
    clock.now = 60.0
    assert rate.per_minute() == 3
    clock.now = 119.0
    assert rate.per_minute() == 0

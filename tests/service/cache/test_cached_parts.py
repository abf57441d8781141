"""What is cached: vectors and search results, in this process and shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from typing_extensions import override

from simplemem_service.cache.base import Cache
from simplemem_service.cache.cached_embedding import CachedEmbedding
from simplemem_service.cache.scope import CacheScope
from simplemem_service.cache.tiered import TieredCache
from simplemem_service.config import read_redis_url
from simplemem_service.errors import ConfigError
from simplemem_service.telemetry import Metrics
from tests.support.embedding import TinyEmbedding, embed
from tests.support.redis_server import RedisServer
from tests.support.server import Server, Starter, eventually, remember


class Shared(Cache):
    """Values in a dictionary, for as long as it lives."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.reads = 0

    @override
    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        self.reads += 1
        return {key: self.values[key] for key in keys if key in self.values}

    @override
    async def set_many(self, values: Mapping[str, bytes], lifetime: timedelta) -> None:
        assert lifetime > timedelta(0)
        self.values |= values

    @override
    async def forget(self, prefix: str) -> bool:
        self.values = {key: value for key, value in self.values.items() if not key.startswith(prefix)}
        return True


SCOPE = CacheScope(b"id of a store")


async def test_vectors_are_made_once_for_all_pods(metrics: Metrics) -> None:
    shared, first, second = Shared(), TinyEmbedding(), TinyEmbedding()
    for inner in (first, second):
        embedding = CachedEmbedding(inner, shared, SCOPE, metrics)
        await embedding.load()
        vectors = await embedding.encode_documents(["red car", "blue car", "red car"])
        expected = [embed("red car"), embed("blue car"), embed("red car")]
        assert all(np.array_equal(a, b) for a, b in zip(vectors, expected, strict=True))
        assert np.array_equal(await embedding.encode_query("red car"), embed("red car"))
    assert (first.calls, second.calls) == (1, 0)
    assert metrics.cache_hits_total.labels("document_vectors")._value.get() == 2
    assert metrics.cache_misses_total.labels("query_vectors")._value.get() == 1
    assert not any("car" in key for key in shared.values)


async def test_a_vector_of_another_length_is_a_miss(metrics: Metrics) -> None:
    shared = Shared()
    embedding = CachedEmbedding(TinyEmbedding(), shared, SCOPE, metrics)
    await embedding.load()
    await embedding.encode_query("red car")
    shared.values = dict.fromkeys(shared.values, b"four")
    assert np.array_equal(await embedding.encode_query("red car"), embed("red car"))


async def test_the_local_tier_is_bounded_and_ends() -> None:
    now = 0.0
    shared = Shared()
    cache = TieredCache(shared, limit_bytes=10, clock=lambda: now)
    await cache.set_many({"a": b"12345", "b": b"12345"}, timedelta(seconds=5))
    assert await cache.get("a") == b"12345"
    await cache.set("c", b"123", timedelta(seconds=5))
    shared.values.clear()
    assert await cache.get_many(["a", "b", "c"]) == {"a": b"12345", "c": b"123"}
    now = 5.0
    assert await cache.get_many(["a", "c"]) == {}


def test_an_address_that_is_none_is_refused_without_being_told() -> None:
    with pytest.raises(ConfigError, match="REDIS_URL") as caught:
        read_redis_url({"REDIS_URL": "http://:secret@cache"})
    assert "secret" not in str(caught.value)
    assert read_redis_url({"REDIS_URL": ""}) is None


def test_a_search_is_answered_from_redis_until_something_changes(
    tmp_path: Path, redis_server: RedisServer, make_server: Starter
) -> None:
    server = make_server(tmp_path / "store", {"REDIS_URL": redis_server.url})
    server.start()
    server.wait_ready()
    with server.client() as client:
        remember(client, "ada", "The red bicycle is in the cellar.")
        first = search(client)
        eventually(lambda: search(client) == first and hits(server), within=30, what="a hit")
        assert "bicycle" in first["context"]
        client.post("/v1/turns", json=said("n", "Ben took the red bicycle to Berlin.")).raise_for_status()
        eventually(lambda: len(search(client)["results"]) == 2, within=40, what="the new entry")
        redis_server.kill()
        for number in range(30):
            assert search(client, f"red bicycle {number}")["results"]
        redis_server.start()
    assert server.stop() == 0


def test_the_service_s_own_checks_leave_results_in_redis(
    tmp_path: Path, redis_server: RedisServer, make_server: Starter
) -> None:
    server = make_server(tmp_path / "store", {"REDIS_URL": redis_server.url, "SIMPLEMEM_CANARY_SECONDS": "2"})
    server.serve("all")
    server.wait_ready()
    with server.client() as client:
        remember(client, "ada", "The red bicycle is in the cellar.")

        def is_kept() -> bool:
            """Whether a result from before a check is there after it."""
            first, checked = search(client), last_check(server)
            eventually(lambda: last_check(server) > checked, within=40, what="a check")
            found = hit_count(server)
            return search(client) == first and hit_count(server) == found + 1

        # While a turn of a check is there, results are kept apart.
        assert any(is_kept() for _ in range(8))


def last_check(server: Server) -> float:
    """When the server found its own turn last, in seconds since 1970."""
    return metric(server, "simplemem_canary_last_success_timestamp_seconds")


def hit_count(server: Server) -> float:
    """Searches answered from the cache."""
    return metric(server, 'simplemem_cache_hits_total{cache="search"}')


def metric(server: Server, name: str) -> float:
    """A figure of the server; 0 where it has none yet."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} ")), 0.0)


def said(name: str, text: str) -> dict[str, object]:
    """The body of POST /v1/turns."""
    return {"user_id": "ada", "session_id": "s", "turns": [{"id": name, "speaker": "Ben", "text": text}]}


def search(client: httpx.Client, query: str = "Where is the red bicycle?") -> dict[str, Any]:
    """The answer of one search, without what differs from request to request."""
    body = {"query": query, "top_k": 5, "filter": {"user_id": "ada"}}
    answer = client.post("/v1/search", json=body).raise_for_status().json()
    return {name: answer[name] for name in ("results", "context")}


def hits(server: Server) -> bool:
    """Whether a search was answered from the cache."""
    return hit_count(server) > 0

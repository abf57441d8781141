"""What caches hold of a user goes with the user: nothing made of the user's words is left in Redis or in memory."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from simplemem_service.cache.cached_embedding import CachedEmbedding
from simplemem_service.cache.redis_cache import NAMESPACE, SCANNED_KEYS, RedisCache
from simplemem_service.cache.scope import ID_NAME, CacheScope, read_scope
from simplemem_service.cache.tiered import TieredCache
from simplemem_service.embedding.local import LocalEmbedding
from simplemem_service.embedding.pool import EmbeddingPool
from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.telemetry import Metrics
from tests.service.cache.test_redis_cache import until_kept
from tests.support.bucket import BucketServer, credentials
from tests.support.embedding import TinyEmbedding
from tests.support.redis_server import RedisServer
from tests.support.server import Server, Starter, eventually, remember

HOUR = timedelta(hours=1)
MODEL = "all-MiniLM-L6-v2"
ASKED = "Where is the emerald?"
TOLD = "I hide the emerald under the third plank."


async def keep(cache: RedisCache, keys: list[str]) -> None:
    await until_kept(cache)
    for start in range(0, len(keys), 200):
        await cache.set_many(dict.fromkeys(keys[start : start + 200], b"value"), HOUR)


@pytest.mark.parametrize("is_cluster", [False, True], ids=["one server", "cluster"])
async def test_all_keys_of_a_store_go_and_no_others(tmp_path: Path, metrics: Metrics, is_cluster: bool) -> None:
    server = RedisServer(tmp_path, is_cluster=is_cluster)
    server.start()
    node = Redis.from_url(server.url)
    if is_cluster:
        await node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)  # type: ignore[no-untyped-call]
        while "cluster_state:ok" not in str(await node.execute_command("CLUSTER", "INFO")):  # type: ignore[no-untyped-call]
            await asyncio.sleep(0.05)
    ours, theirs = CacheScope(b"ours"), CacheScope(b"theirs")
    cache = RedisCache(server.url, metrics)
    await keep(cache, [ours.key("vector", str(number)) for number in range(3 * SCANNED_KEYS)])
    await keep(cache, [theirs.key("vector", "1")])
    assert await node.dbsize() == 3 * SCANNED_KEYS + 2
    assert await cache.forget(ours.prefix)
    assert {key.decode() async for key in node.scan_iter()} == {
        f"{NAMESPACE}key",
        f"{NAMESPACE}{theirs.key('vector', '1')}",
    }
    await node.aclose()
    await cache.close()
    server.kill()


async def test_a_redis_that_is_away_is_no_success(redis_server: RedisServer, metrics: Metrics) -> None:
    cache = RedisCache(redis_server.url, metrics)
    await asyncio.to_thread(redis_server.kill)
    assert not await cache.forget("x:")
    await asyncio.to_thread(redis_server.start)
    assert await cache.forget("x:"), "asked again at once, without the pause of a search"
    await cache.close()


async def test_a_key_tells_nothing_to_who_lacks_the_store_s_id(tmp_path: Path) -> None:
    first, second = LocalBlobStore(tmp_path / "a"), LocalBlobStore(tmp_path / "b")
    ours = await read_scope(first)
    assert await read_scope(first) == ours
    theirs = await read_scope(second)
    assert ours.prefix != theirs.prefix
    assert ours.key("vector", TOLD).rpartition(":")[2] != theirs.key("vector", TOLD).rpartition(":")[2]
    assert ours.key("vector", "ab", "c") != ours.key("vector", "a", "bc")
    assert (tmp_path / "a" / ID_NAME).read_bytes() == ours.secret
    assert ours.secret.hex() not in repr(ours)


async def test_memory_is_forgotten_too(metrics: Metrics, redis_server: RedisServer) -> None:
    inner = TinyEmbedding()
    cache = TieredCache(RedisCache(redis_server.url, metrics))
    embedding = CachedEmbedding(inner, cache, CacheScope(b"ours"), metrics)
    await embedding.load()
    await embedding.encode_documents([TOLD])
    await embedding.encode_documents([TOLD])
    assert inner.calls == 1
    assert await embedding.sweep()
    await embedding.encode_documents([TOLD])
    assert inner.calls == 2
    await embedding.close()


async def test_a_loaded_model_forgets_its_texts() -> None:
    model = LocalEmbedding(MODEL, is_offline=True)
    pool = EmbeddingPool(lambda _: model)
    await pool.get(MODEL)
    await model.encode_documents([TOLD])
    model.count_tokens(TOLD)
    assert model._cache.read([TOLD])
    assert await pool.sweep()
    assert not model._cache.read([TOLD])
    assert TOLD not in model._lengths
    await pool.close()


def scope_of(server: Server) -> CacheScope:
    return CacheScope((server.data / ID_NAME).read_bytes())


def ask(client: httpx.Client, question: str = ASKED) -> list[str]:
    body = {"query": question, "filter": {"user_id": "ada"}}
    results = client.post("/v1/search", json=body).raise_for_status().json()["results"]
    return [one["lossless_restatement"] for one in results]


async def dump(redis: RedisServer) -> dict[str, bytes]:
    """All keys and values of a Redis."""
    node = Redis.from_url(redis.url)
    found = {key.decode(): bytes(await node.execute_command("GET", key)) async for key in node.scan_iter()}  # type: ignore[no-untyped-call]
    await node.aclose()
    return found


def wait_connected(client: httpx.Client, redis: RedisServer) -> None:
    """Ask new questions until one is kept: the first ones find no connection yet."""
    numbers = iter(range(1_000))
    eventually(
        lambda: ask(client, f"Question {next(numbers)}?") and asyncio.run(dump(redis)),
        within=30,
        what="a value in Redis",
    )


def misses(client: httpx.Client, cache: str) -> float:
    lines = [line for line in client.get("/metrics").text.splitlines() if f'misses_total{{cache="{cache}"}}' in line]
    return float(lines[0].split()[-1]) if lines else 0.0


def test_nothing_of_an_erased_user_is_left_in_redis(
    tmp_path: Path, redis_server: RedisServer, make_server: Starter
) -> None:
    server = make_server(tmp_path / "store", {"REDIS_URL": redis_server.url, "SIMPLEMEM_CANARY_SECONDS": "0"})
    server.start()
    server.wait_ready()
    scope = scope_of(server)
    question = NAMESPACE + scope.key("vector", MODEL, "384", "query", ASKED)
    with server.client() as client:
        remember(client, "ada", TOLD)
        wait_connected(client, redis_server)
        assert ask(client)
        kept = asyncio.run(dump(redis_server))
        assert question in kept
        kinds = {key.split(":")[2] for key in kept}
        assert kinds == {"vector", "search"}
        assert all(key.startswith(NAMESPACE + scope.prefix) for key in kept)
        assert not any(b"emerald" in value or b"plank" in value for value in kept.values())
        before = misses(client, "query_vectors")
        client.delete("/v1/entries", params={"user_id": "ada", "wait": "true"}).raise_for_status()
        assert asyncio.run(dump(redis_server)) == {}
        assert ask(client) == []
        assert misses(client, "query_vectors") == before + 1, "nothing in this process either"
    assert server.stop() == 0


def test_another_pod_s_memory_is_emptied_too(
    tmp_path: Path, redis_server: RedisServer, make_server: Starter, bucket_server: BucketServer
) -> None:
    environment = {**credentials(), "REDIS_URL": redis_server.url, "SIMPLEMEM_CANARY_SECONDS": "0"}
    s3 = {"bucket": "memories", "prefix": "forgetting", "endpoint": bucket_server.endpoint}
    spec = {"tier": "CostEffective", "storage": {"s3": s3}, "embedding": {"model": MODEL}}
    writer, reader = (make_server(tmp_path / name, environment, **spec) for name in ("writer", "reader"))
    writer.serve("ingest")
    reader.serve("retrieval")
    writer.wait_ready()
    reader.wait_ready()
    with reader.client() as client:
        remember(client, "ada", TOLD)
        wait_connected(client, redis_server)
        assert ask(client)
        client.delete("/v1/entries", params={"user_id": "ada", "wait": "true"}).raise_for_status()
        assert asyncio.run(dump(redis_server)) == {}
        before = misses(client, "query_vectors")
        assert ask(client) == []
        assert misses(client, "query_vectors") == before + 1

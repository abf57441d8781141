"""A Redis that is there, gone, locked or slow: only speed depends on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from simplemem_service.breaker import FAILURES, PAUSE, CircuitBreaker
from simplemem_service.cache.redis_cache import NAMESPACE, RedisCache
from simplemem_service.telemetry import Metrics
from tests.support.bucket import free_port
from tests.support.redis_server import RedisServer, SlowProxy

HOUR = timedelta(hours=1)


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_pause(self) -> None:
        self.now += PAUSE.total_seconds() + 1


async def until_kept(cache: RedisCache, key: str = "key", within: float = 10) -> bytes:
    """The value of a key once the cache keeps it."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        await cache.set(key, b"value", HOUR)
        if (found := await cache.get(key)) is not None:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("nothing is kept")


async def until_failed(cache: RedisCache, metrics: Metrics, times: int = FAILURES) -> None:
    """Ask until so many calls have failed."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        assert await cache.get("key") is None
        if metrics.cache_errors_total._value.get() >= times:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("no call failed")


async def test_values_are_kept_by_key_and_end(redis_server: RedisServer, metrics: Metrics) -> None:
    cache = RedisCache(redis_server.url, metrics)
    assert await until_kept(cache) == b"value"
    await cache.set_many({"a": b"1", "b": b""}, HOUR)
    await cache.set("short", b"2", timedelta(milliseconds=30))
    await asyncio.sleep(0.1)
    assert await cache.get_many(["a", "b", "c", "short"]) == {"a": b"1", "b": b""}
    await cache.close()


async def test_a_value_that_somebody_else_wrote_is_a_miss(redis_server: RedisServer, metrics: Metrics) -> None:
    cache = RedisCache(redis_server.url, metrics)
    await until_kept(cache)
    other = Redis.from_url(redis_server.url)
    await other.set(f"{NAMESPACE}foreign", b"not of this key")
    assert await cache.get("foreign") is None
    await other.aclose()
    await cache.close()


async def test_a_redis_that_dies_costs_no_error_and_comes_back(redis_server: RedisServer, metrics: Metrics) -> None:
    clock = Clock()
    cache = RedisCache(redis_server.url, metrics, CircuitBreaker(clock))
    await until_kept(cache)
    asked = asyncio.create_task(_ask_for(cache, seconds=0.4))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(redis_server.kill)
    slowest = await asked
    assert slowest < 0.5
    await until_failed(cache, metrics)
    failed = metrics.cache_errors_total._value.get()
    for _ in range(50):
        assert await cache.get("key") is None
    assert metrics.cache_errors_total._value.get() == failed, "an open circuit asks nobody"
    await asyncio.to_thread(redis_server.start)
    clock.pass_pause()
    assert await until_kept(cache) == b"value"
    await cache.close()


async def _ask_for(cache: RedisCache, seconds: float) -> float:
    """Ask over and over; the slowest call's seconds."""
    slowest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        await cache.set("key", b"value", HOUR)
        assert await cache.get("key") in (None, b"value")
        slowest = max(slowest, time.monotonic() - began)
        await asyncio.sleep(0.001)
    return slowest


async def test_a_wrong_password_is_a_miss_and_is_not_logged(
    tmp_path: Path, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    server = RedisServer(tmp_path, password="right-one")
    server.start()
    cache = RedisCache(server.url.replace("right-one", "wrong-one"), metrics, CircuitBreaker())
    await until_failed(cache, metrics)
    await cache.close()
    server.kill()
    assert "redis left out for now" in caplog.text
    assert "wrong-one" not in caplog.text + repr([vars(record) for record in caplog.records])


async def test_no_server_at_all_is_a_miss(metrics: Metrics) -> None:
    cache = RedisCache(f"redis://127.0.0.1:{free_port()}", metrics)
    await until_failed(cache, metrics)
    assert await cache.get("key") is None
    await cache.close()


async def test_a_slow_redis_is_not_waited_for(redis_server: RedisServer, metrics: Metrics) -> None:
    clock = Clock()
    proxy = SlowProxy(redis_server.port)
    cache = RedisCache(await proxy.start(), metrics, CircuitBreaker(clock))
    await until_kept(cache)
    proxy.delay = 1.0
    began = time.monotonic()
    for _ in range(20):
        assert await cache.get("key") is None
    assert time.monotonic() - began < 0.9, "three time-outs of 50 ms, then nobody is asked"
    proxy.delay = 0.0
    clock.pass_pause()
    assert await until_kept(cache, "other") == b"value"
    assert await cache.get("key") == b"value"
    await cache.close()
    await proxy.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis Cluster of one node."""
    server = RedisServer(tmp_path, is_cluster=True)
    server.start()
    yield server
    server.kill()


async def test_a_cluster_is_found_and_used(cluster: RedisServer, metrics: Metrics) -> None:
    node = Redis.from_url(cluster.url)
    await node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)  # type: ignore[no-untyped-call]
    while "cluster_state:ok" not in str(await node.execute_command("CLUSTER", "INFO")):  # type: ignore[no-untyped-call]
        await asyncio.sleep(0.05)
    cache = RedisCache(cluster.url, metrics)
    assert await until_kept(cache) == b"value"
    values = {f"key-{number}": bytes([number]) for number in range(40)}
    await cache.set_many(values, HOUR)
    assert await cache.get_many(list(values)) == values
    assert await node.dbsize() == len(values) + 1
    await node.aclose()
    await cache.close()


def test_an_open_circuit_lets_one_trial_through_each_pause() -> None:
    clock = Clock()
    breaker = CircuitBreaker(clock)
    assert [breaker.fail() for _ in range(FAILURES)] == [False, False, True]
    assert not breaker.is_allowed()
    clock.pass_pause()
    assert [breaker.is_allowed(), breaker.is_allowed()] == [True, False]
    breaker.succeed()
    assert breaker.is_allowed()

"""A Redis that speaks TLS only: believed by its certificate, and never without."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from redis.asyncio import Redis

from simplemem_service.breaker import CircuitBreaker
from simplemem_service.cache.redis_cache import RedisCache
from simplemem_service.telemetry import Metrics
from tests.harness.pki import Pki
from tests.service.cache.test_redis_cache import HOUR, until_failed, until_kept
from tests.support.redis_server import RedisServer

PASSWORD = "only-for-this-test"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """An authority of our own, and a certificate of 127.0.0.1 by it."""
    made = Pki(tmp_path_factory.mktemp("pki"))
    made.create(["127.0.0.1"], ["localhost"])
    return made


@pytest.fixture
def server(tmp_path: Path, pki: Pki) -> Iterator[RedisServer]:
    """One server."""
    found = RedisServer(tmp_path, password=PASSWORD, tls=pki)
    found.start()
    yield found
    found.kill()


@pytest.fixture
def cluster(tmp_path: Path, pki: Pki) -> Iterator[RedisServer]:
    """A cluster of one node."""
    found = RedisServer(tmp_path, is_cluster=True, tls=pki)
    found.start()
    yield found
    found.kill()


async def test_values_are_kept_over_tls(server: RedisServer, pki: Pki, metrics: Metrics) -> None:
    cache = RedisCache(f"{server.url}?ssl_ca_certs={pki.ca}", metrics)
    assert await until_kept(cache) == b"value"
    await cache.set_many({f"x:{number}": b"1" for number in range(20)}, HOUR)
    assert len(await cache.get_many([f"x:{number}" for number in range(20)])) == 20
    assert await cache.forget("x:")
    assert await cache.get_many(["x:1", "key"]) == {"key": b"value"}
    await cache.close()


async def test_an_authority_can_stand_in_the_address(server: RedisServer, pki: Pki, metrics: Metrics) -> None:
    cache = RedisCache(f"{server.url}?ssl_ca_data={quote(pki.ca.read_text(), safe='')}", metrics)
    assert await until_kept(cache) == b"value"
    await cache.close()


async def test_an_authority_that_the_process_knows_is_believed(
    server: RedisServer, pki: Pki, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
    cache = RedisCache(server.url, metrics)
    assert await until_kept(cache) == b"value"
    await cache.close()


async def test_an_unknown_authority_is_never_believed(
    server: RedisServer, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    cache = RedisCache(server.url, metrics, CircuitBreaker())
    await until_failed(cache, metrics)
    await cache.close()
    assert "redis left out for now" in caplog.text
    assert PASSWORD not in caplog.text + repr([vars(record) for record in caplog.records])


async def test_a_certificate_of_another_name_is_never_believed(tmp_path: Path, metrics: Metrics) -> None:
    elsewhere = Pki(tmp_path / "pki")
    elsewhere.create([], ["redis.example"])
    server = RedisServer(tmp_path, tls=elsewhere)
    server.start()
    cache = RedisCache(f"{server.url}?ssl_ca_certs={elsewhere.ca}", metrics, CircuitBreaker())
    await until_failed(cache, metrics)
    await cache.close()
    careless = RedisCache(f"{server.url}?ssl_ca_certs={elsewhere.ca}&ssl_check_hostname=false", metrics)
    assert await until_kept(careless) == b"value"
    await careless.close()
    server.kill()


async def test_nothing_is_sent_in_the_clear(server: RedisServer, metrics: Metrics) -> None:
    cache = RedisCache(server.url.replace("rediss://", "redis://"), metrics, CircuitBreaker())
    await until_failed(cache, metrics)
    assert await cache.get("key") is None
    await cache.close()


async def test_a_cluster_is_used_over_tls(cluster: RedisServer, pki: Pki, metrics: Metrics) -> None:
    url = f"{cluster.url}?ssl_ca_certs={pki.ca}"
    node = Redis.from_url(url)
    await node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)  # type: ignore[no-untyped-call]
    while "cluster_state:ok" not in str(await node.execute_command("CLUSTER", "INFO")):  # type: ignore[no-untyped-call]
        await asyncio.sleep(0.05)
    cache = RedisCache(url, metrics)
    assert await until_kept(cache) == b"value"
    values = {f"x:{number}": bytes([number]) for number in range(40)}
    await cache.set_many(values, HOUR)
    assert await cache.get_many(list(values)) == values
    assert await cache.forget("x:")
    assert await node.dbsize() == 1
    await node.aclose()
    await cache.close()

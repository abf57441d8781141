"""When the certificates of a spec's endpoints expire is told, whoever vouches for them, beside all requests."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from simplemem_service.certificates import Certificates, Endpoint, list_endpoints, parse_endpoint
from simplemem_service.config import Config, Role
from simplemem_service.telemetry import Metrics
from tests.support.bucket import free_port
from tests.support.server import Starter, eventually
from tests.support.stores import make_store
from tests.support.tls_server import make_certificate, tls_server

METRIC = "simplemem_certificate_expiry_timestamp_seconds"
NEXT_YEAR = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)
LAST_YEAR = NEXT_YEAR - timedelta(days=730)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def watch(metrics: Metrics, *ports: int, timeout: timedelta = timedelta(seconds=10)) -> Certificates:
    endpoints = [Endpoint("127.0.0.1", port) for port in ports]
    return Certificates(endpoints, metrics.certificate_expiry_timestamp_seconds, timeout)


def told(metrics: Metrics) -> dict[str, datetime]:
    found = [sample for metric in metrics.registry.collect() for sample in metric.samples if sample.name == METRIC]
    return {sample.labels["endpoint"]: datetime.fromtimestamp(sample.value, UTC) for sample in found}


@pytest.mark.parametrize("expires", [NEXT_YEAR, LAST_YEAR], ids=["good", "expired"])
@pytest.mark.parametrize("name", ["127.0.0.1", "elsewhere.example"])
async def test_a_certificate_that_nobody_trusts_is_read_and_nothing_sent(
    metrics: Metrics, tmp_path: Path, expires: datetime, name: str
) -> None:
    with tls_server(make_certificate(tmp_path, expires, name)) as (port, received):
        await watch(metrics, port).look()
        assert told(metrics) == {f"127.0.0.1:{port}": expires}
    assert received == []


async def test_a_refused_connection_removes_nothing_and_is_logged_once_until_it_works(
    metrics: Metrics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with tls_server(make_certificate(tmp_path, LAST_YEAR)) as (port, _):
        watched = watch(metrics, port, absent := free_port())
        await watched.look()
    assert told(metrics) == {f"127.0.0.1:{port}": LAST_YEAR}
    await watched.look()
    await watched.look()
    assert told(metrics) == {f"127.0.0.1:{port}": LAST_YEAR}
    assert [vars(record)["endpoint"] for record in caplog.records] == [f"127.0.0.1:{absent}", f"127.0.0.1:{port}"]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    with tls_server(make_certificate(tmp_path, NEXT_YEAR), port):
        await watched.look()
    assert told(metrics) == {f"127.0.0.1:{port}": NEXT_YEAR}
    await watched.look()
    assert [vars(record)["endpoint"] for record in caplog.records][2:] == [f"127.0.0.1:{port}"]


async def test_a_server_that_says_nothing_is_given_up(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    taken: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1")
    port = int(silent.sockets[0].getsockname()[1])
    started = time.monotonic()
    await watch(metrics, port, timeout=timedelta(seconds=0.2)).look()
    assert time.monotonic() - started < 5
    assert told(metrics) == {}
    assert "certificate not read" in caplog.text
    for writer in taken:
        writer.close()
    silent.close()


async def test_a_server_without_tls_is_logged_and_asked_no_more_than_that(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as plain:
        await watch(metrics, int(plain.sockets[0].getsockname()[1])).look()
    assert told(metrics) == {}
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("https://minio.example", "minio.example:443"),
        ("https://user:secret@minio.example:9000/path?key=secret", "minio.example:9000"),
        ("rediss://:se%2Fcret@cache.example", "cache.example:6379"),
        ("rediss://cache.example:7000/2", "cache.example:7000"),
        ("https://[fd00::1]:9000", "[fd00::1]:9000"),
        ("http://minio.example", None),
        ("redis://cache.example", None),
        ("https://", None),
        ("https://minio.example:port", None),
        ("https://[fd00::1", None),
    ],
)
def test_an_endpoint_is_host_and_port_and_nothing_else(address: str, endpoint: str | None) -> None:
    found = parse_endpoint(address)
    assert (None if found is None else str(found)) == endpoint


def test_the_endpoints_are_those_that_the_spec_names_each_once() -> None:
    s3 = {"bucket": "memories", "endpoint": "https://minio.example:9000"}
    backup = {"s3": {"bucket": "copies", "endpoint": "https://copies.example"}}
    llm = {"apiBase": "https://models.example/v1"}
    store = make_store(tier="Enterprise", storage={"s3": s3}, backup=backup, llm=llm)
    config = Config(store, lancedb_host="https://lance.example", redis_url="rediss://:secret@cache.example")
    named = [
        "minio.example:9000",
        "copies.example:443",
        "lance.example:443",
        "models.example:443",
        "cache.example:6379",
    ]
    assert [str(endpoint) for endpoint in list_endpoints(config)] == named
    assert list_endpoints(Config(store, role=Role.EMBEDDING)) == []
    same = make_store(storage={"s3": s3}, backup={"s3": s3}, tier="Enterprise")
    assert [str(endpoint) for endpoint in list_endpoints(Config(same))] == ["minio.example:9000"]
    assert list_endpoints(Config(make_store(tier="Minimal"))) == []


def test_a_running_store_tells_it_and_no_credentials(make_server: Starter, tmp_path: Path) -> None:
    backup = {"s3": {"bucket": "copies", "endpoint": f"https://127.0.0.1:{free_port()}"}}
    with tls_server(make_certificate(tmp_path, NEXT_YEAR)) as (port, _):
        url = f"rediss://user:cache-secret@127.0.0.1:{port}/0"
        server = make_server(tmp_path / "store", {"REDIS_URL": url}, backup=backup)
        server.start()
        server.wait_ready()

        def lines() -> list[str]:
            text = httpx.get(f"{server.url}/metrics").text
            return [line for line in text.splitlines() if line.startswith(METRIC)]

        eventually(lambda: lines() != [], within=30, what="the certificate's end")
        series, value = lines()[0].split()
        assert (series, float(value)) == (f'{METRIC}{{endpoint="127.0.0.1:{port}"}}', NEXT_YEAR.timestamp())
        assert len(lines()) == 1
    assert backup["s3"]["endpoint"].removeprefix("https://") in server.log()
    assert "cache-secret" not in server.log()

"""What tests of the service share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.bucket import BucketServer, set_credentials
from tests.support.cloud_server import CloudServer
from tests.support.server import Server, Starter


@pytest.fixture(scope="session")
def bucket_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    """An S3 server; tests use a prefix each."""
    server = BucketServer(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bucket(bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> BucketServer:
    """The S3 server, with its credentials in the environment."""
    set_credentials(monkeypatch)
    return bucket_server


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[CloudServer]:
    """A server that speaks LanceDB Cloud's API, of one test."""
    server = CloudServer(tmp_path / "cloud")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make_server() -> Iterator[Starter]:
    """Servers of one test."""
    servers: list[Server] = []

    def make(folder: Path, environment: Mapping[str, str] | None = None, **spec: Any) -> Server:
        servers.append(Server(folder, environment, **spec))
        return servers[-1]

    yield make
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running service; tests use a user each."""
    server = Server(tmp_path_factory.mktemp("service"))
    server.start()
    server.wait_ready()
    yield server
    assert server.stop() == 0, server.log()[-2000:]


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of the running service."""
    with server.client() as client:
        yield client

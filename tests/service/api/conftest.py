"""A service with tokens of every kind, for tests of the API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.server import Server

EXPIRED, EXPIRES = "2024-02-29T12:00:00Z", "2999-12-31T12:00:00Z"
"""Until when two of the tokens are good."""
TOKENS = {
    "root": "root-secret\n",
    "reader": json.dumps({"token": "reader-secret", "scopes": ["read"]}),
    "writer": "token = writer-secret\nscopes = write\n",
    "alice": json.dumps({"token": "alice-secret", "scopes": ["read", "write"], "user_id": "alice"}),
    "slow": json.dumps({"token": "slow-secret", "requests_per_second": 0.5}),
    "expired": json.dumps({"token": "expired-secret", "expires": EXPIRED}),
    "passing": json.dumps({"token": "passing-secret", "expires": EXPIRES}),
    "broken": '{"token": "broken-secret", "scopes": ["everything"]}',
}

Login = Callable[[str], httpx.Client]


@pytest.fixture(scope="package")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running service that asks for tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    _write_tokens(folder / "tokens")
    server = Server(folder, {"SIMPLEMEM_TOKENS": str(folder / "tokens")}, access={"tokenSecretName": "t"})
    server.start()
    try:
        server.wait_ready()
        yield server
        assert server.stop() == 0, server.log()[-2000:]
    finally:
        server.kill()


@pytest.fixture(scope="package")
def login(guarded: Server) -> Iterator[Login]:
    """Clients by the name of their token."""
    clients: dict[str, httpx.Client] = {}

    def open_client(name: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {name}-secret"}
        return clients.setdefault(name, guarded.client(headers=headers))

    yield open_client
    for client in clients.values():
        client.close()


def _write_tokens(folder: Path) -> None:
    folder.mkdir()
    for name, content in TOKENS.items():
        (folder / name).write_text(content)

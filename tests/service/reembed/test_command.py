"""`simplemem reembed` as its users run it, and who may: a real store that asks for tokens, real models."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from simplemem_api import exits
from tests.service.test_client_commands import run
from tests.support.models import SMALL_DIMENSION, SMALL_MODEL
from tests.support.server import Server, finish

MINILM = "all-MiniLM-L6-v2"
ENTRIES = 120
TOKENS = {
    "admin": {"token": "admin-secret", "scopes": ["admin", "write", "read"]},
    "writer": {"token": "writer-secret", "scopes": ["write", "read"]},
    "bound": {"token": "bound-secret", "scopes": ["admin", "write", "read"], "user_id": "ada"},
}
ROUTES = ("/v1/reembed", "/v1/reembed/rollback", "/v1/reembed/drop")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Server]:
    """A running store with some memories."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "tokens").mkdir()
    for name, token in TOKENS.items():
        (folder / "tokens" / name).write_text(json.dumps(token))
    environment = {"SIMPLEMEM_TOKENS": str(folder / "tokens"), "SIMPLEMEM_MODELS": str(models)}
    server = Server(folder, environment, access={"tokenSecretName": "t"})
    server.start()
    try:
        server.wait_ready()
        with as_caller(server, "writer") as client:
            turns = [{"speaker": "Ada", "text": f"Parcel number {n} lies on shelf {7 * n}."} for n in range(ENTRIES)]
            answer = client.post("/v1/turns", json={"user_id": "ada", "turns": turns}).raise_for_status()
            assert finish(client, answer.json()["operation_id"])["state"] == "Succeeded"
        yield server
    finally:
        server.kill()


def as_caller(server: Server, name: str) -> httpx.Client:
    return server.client(headers={"Authorization": f"Bearer {TOKENS[name]['token']}"})


def command(server: Server, *arguments: str, name: str = "admin") -> subprocess.CompletedProcess[str]:
    return run(*arguments, url=server.url, token=str(TOKENS[name]["token"]))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", ["writer", "bound"])
def test_only_an_admin_of_all_users_may(store: Server, name: str, route: str) -> None:
    body = {"model": SMALL_MODEL} if route == ROUTES[0] else None
    with as_caller(store, name) as client:
        refused = client.post(route, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "Forbidden")
        assert client.get("/v1/status").json()["reembedding"] is None
    assert httpx.post(f"{store.url}{route}", json=body).status_code == 401


def test_the_command_tells_who_may(store: Server) -> None:
    refused = command(store, "reembed", "--model", SMALL_MODEL, name="writer")
    assert refused.returncode == exits.REFUSED
    assert "Forbidden" in refused.stderr
    assert "use a token that may" in refused.stderr
    nothing = command(store, "reembed")
    assert nothing.returncode == exits.USAGE
    assert "--rollback" in nothing.stderr


def test_a_store_goes_there_and_back_by_the_command(store: Server) -> None:
    begun = command(store, "reembed", "--model", SMALL_MODEL, "--json")
    assert begun.returncode == exits.DONE, begun.stderr
    operation = json.loads(begun.stdout)
    assert (operation["kind"], operation["state"] in ("Pending", "Running")) == ("Reembed", True)
    with as_caller(store, "admin") as client:
        ended = finish(client, operation["operation_id"], within=120)
        assert (ended["state"], ended["done"], ended["total"]) == ("Succeeded", ENTRIES, ENTRIES)
    shown = json.loads(command(store, "status", "--json").stdout)
    assert (shown["model"], shown["dimension"], shown["generation"]) == (SMALL_MODEL, SMALL_DIMENSION, 1)
    assert "use" in shown["checks"]["embedding"]["message"]

    back = command(store, "reembed", "--rollback", "--wait")
    assert back.returncode == exits.DONE, back.stderr
    assert f"has succeeded: {ENTRIES} entries re-embedded" in back.stdout
    assert "re-embedding entries" in back.stderr, "a progress bar"
    assert json.loads(command(store, "status", "--json").stdout)["model"] == MINILM

    dropped = command(store, "reembed", "--drop-old", "--wait")
    assert dropped.returncode == exits.DONE, dropped.stderr
    assert "has succeeded: the vectors of before are gone" in dropped.stdout
    nowhere = command(store, "reembed", "--rollback", "--wait")
    assert nowhere.returncode == exits.FAILED
    assert "nothing to go back to" in nowhere.stderr
    with as_caller(store, "admin") as client:
        body = {"query": "Where is parcel number 12?", "filter": {"user_id": "ada"}, "top_k": 3}
        assert "shelf 84" in client.post("/v1/search", json=body).json()["context"]

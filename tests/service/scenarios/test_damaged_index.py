"""A lexical index that is damaged, at the start and while the service runs: rebuilt, and searches answer meanwhile."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import httpx

from tests.support.server import Server, Starter, eventually, remember

TEXTS = ["I moved to Rome.", "My cat is called Lovelace.", "I bake bread on Sundays.", "The match was lost."]
QUESTION = {"query": "What is the cat called?", "filter": {"user_id": "ada"}, "explain": True}


def damage(server: Server) -> None:
    """Overwrite the files of the index where they lie."""
    source = random.Random(7)  # noqa: S311 - repeatable damage, no secret
    files = [path for path in index_of(server).rglob("*.*") if path.is_file() and path.suffix not in (".json", ".lock")]
    assert files
    for path in files:
        with path.open("r+b") as file:
            file.write(source.randbytes(path.stat().st_size))


def index_of(server: Server) -> Path:
    return server.data.parent / "index"


def words(client: httpx.Client) -> float:
    """How much the words speak for the right entry, which is the first whether or not the index is whole."""
    found = client.post("/v1/search", json=QUESTION).raise_for_status().json()["results"]
    assert found[0]["sources"] == ["ada-1"], found
    return float(found[0]["scores"]["lexical_context"])


def test_a_damaged_lexical_index_is_rebuilt_and_every_search_is_answered(tmp_path: Path, make_server: Starter) -> None:
    server = make_server(tmp_path, lexical={"engine": "Tantivy"})
    server.start()
    server.wait_ready()
    with server.client() as client:
        remember(client, "ada", *TEXTS)
        eventually(lambda: words(client) > 0, within=30, what="words count")
    server.kill()
    damage(server)
    server.start()
    server.wait_ready()
    assert "lexical index cannot be taken over; it is built anew" in server.log()
    with server.client() as client:
        assert words(client) > 0
        damage(server)
        seen = {words(client) > 0}
        eventually(lambda: words(client) > 0, within=40, what="words count again")
        assert seen == {False}, "the damage was met by a search"
        shutil.rmtree(index_of(server))
        remember(client, "ada", *TEXTS, "I have a dog called Babbage.")
        eventually(lambda: words(client) > 0, within=40, what="words count without the folder")
        assert server.readiness()["ready"]
    assert server.stop() == 0

"""A whole store on a scripted language model, over real HTTP: remember, search, spend, restart, erase."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from simplemem_service.config import Config
from simplemem_service.factory.parts import create_parts
from simplemem_service.llm.cache import BlobCache, owner_of
from simplemem_service.telemetry import Metrics
from tests.support.embedding import TinyEmbedding
from tests.support.openai_server import Failure, OpenAiServer, Reply
from tests.support.server import ROOT, Server, Starter, list_sources, remember
from tests.support.stores import make_store

KEY = "sk-live-0123456789abcdef"
MODEL = "openai/gpt-4.1-mini"


@pytest.fixture
def store(make_server: Starter, openai_server: OpenAiServer, tmp_path: Path) -> Iterator[Server]:
    """A running store that asks the scripted server for everything."""
    server = make_server(
        tmp_path,
        {"OPENAI_API_KEY": KEY},
        llm={"apiBase": openai_server.url, "models": [MODEL]},
        retrieval={"planning": "Always", "reflection": "Auto"},
        budget={"monthlyUSD": "1", "onExceeded": "RejectWrites"},
    )
    server.start()
    server.wait_ready()
    yield server
    assert KEY not in server.log()


def spend_of(client: httpx.Client) -> dict[str, Any]:
    spend: dict[str, Any] = client.get("/v1/status").raise_for_status().json()["spend"]
    return spend


def test_a_store_compresses_plans_spends_and_keeps_to_its_budget(store: Server, openai_server: OpenAiServer) -> None:
    with store.client() as client:
        ids = remember(client, "ada", "I moved to Rome.", "My piano came along.")
        assert openai_server.calls == 1
        entries = client.get("/v1/entries", params={"user_id": "ada"}).json()["entries"]
        assert entries[0]["lossless_restatement"] == "Ada said: I moved to Rome."
        openai_server.script(Reply(json.dumps({"queries": ["Where is the piano?"]})))
        answer = client.post("/v1/search", json={"query": "Where does Ada live?", "explain": True}).json()
        assert answer["plan"]["queries"] == ["Where is the piano?"]
        assert sorted(source for one in answer["results"] for source in one["sources"]) == ids
        # Two calls or more of 1,000 tokens read and 100 written, at 0.40 and 1.60 US dollars a million.
        spent = spend_of(client)
        assert spent["month_usd"] == pytest.approx((openai_server.calls) * 0.00056)
        assert spent["budget_usd"] == 1
        openai_server.script(Reply('{"queries": []}', input_tokens=5_000_000))
        client.post("/v1/search", json={"query": "Where does Ada live?"}).raise_for_status()
        assert spend_of(client)["exceeded"] is True
    store.kill()
    store.start()
    store.wait_ready()
    calls = openai_server.calls
    with store.client() as client:
        assert spend_of(client)["exceeded"] is True
        more = remember(client, "bob", "I have a cat.")
        assert list_sources(client, "bob") == more
        assert client.post("/v1/search", json={"query": "cat", "explain": True}).json()["plan"]["fallback"]
    assert openai_server.calls == calls


def test_a_store_whose_model_is_away_goes_on_by_rules(store: Server, openai_server: OpenAiServer) -> None:
    openai_server.by_model = {"gpt-4.1-mini": Failure(401, f"Incorrect API key provided: {KEY}")}
    with store.client() as client:
        ids = remember(client, "ada", "I moved to Rome.", "My piano came along.")
        assert list_sources(client, "ada") == ids
        results = client.post("/v1/search", json={"query": "Where is the piano?"}).json()["results"]
        assert results[0]["sources"] == [ids[1]]
        assert "simplemem_degraded_turns_total 2.0" in client.get("/metrics").text


async def test_an_erased_user_s_replies_are_erased_too(tmp_path: Path) -> None:
    store = make_store(tier="Minimal", llm={"apiBase": "http://127.0.0.1:1/v1", "models": [MODEL]})
    parts = create_parts(Config(store, data=tmp_path), TinyEmbedding(), Metrics())
    replies = BlobCache(parts.blobs)
    ada, bob = (f"{owner_of(user)}-1" for user in ("ada", "bob"))
    await replies.put(ada, b"what Ada said")
    await replies.put(bob, b"what Bob said")
    assert parts.worker is not None
    for hook in parts.worker.erase_hooks:
        await hook("ada")
    assert (await replies.get(ada), await replies.get(bob)) == (None, b"what Bob said")


@pytest.mark.parametrize("mode", ["Rules", "Model", None])
def test_merging_by_model_has_a_switch_of_its_own(tmp_path: Path, mode: str | None) -> None:
    spec: dict[str, Any] = {"synthesis": {"mode": mode}} if mode else {}
    store = make_store(tier="Minimal", llm={"apiBase": "http://127.0.0.1:1/v1", "models": [MODEL]}, **spec)
    parts = create_parts(Config(store, data=tmp_path), TinyEmbedding(), Metrics())
    assert parts.worker is not None
    assert (parts.worker._merger is not None) == (mode != "Rules")
    assert parts.model is not None, "turns are compressed by the model all the same"


@pytest.mark.parametrize("mode", ["Rules", "Model"])
def test_only_a_store_with_a_model_loads_the_library(tmp_path: Path, mode: str) -> None:
    spec = {"tier": "Minimal", "llm": {"mode": mode, "apiBase": "http://127.0.0.1:1/v1", "models": [MODEL]}}
    script = (
        "import asyncio, json, sys, warnings\n"
        "from pathlib import Path\n"
        "from tests.support.stores import make_store\n"
        "from simplemem_service.config import Config\n"
        "from simplemem_service.factory.embedding import create_embedding\n"
        "from simplemem_service.factory.parts import create_parts\n"
        "from simplemem_service.telemetry import Metrics\n"
        "config = Config(make_store(**json.loads(sys.argv[1])), data=Path(sys.argv[2]))\n"
        "parts = create_parts(config, create_embedding(config, Metrics()), Metrics())\n"
        "asyncio.run(parts.model.warm_up()) if parts.model else None\n"
        "print('litellm' in sys.modules)\n"
    )
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "crds", "service"))
    command = [sys.executable, "-c", script, json.dumps(spec), str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(mode == "Model")

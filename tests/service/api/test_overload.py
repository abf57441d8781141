"""Too much at once: 429, and room again afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from simplemem_service.api import retrieve
from simplemem_service.config import Config
from simplemem_service.main import create_app
from simplemem_service.models.query import Query, Retrieved
from simplemem_service.parts import Parts
from tests.support.stores import make_store


class SlowRetriever:
    """Answers when told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.began = asyncio.Semaphore(0)

    async def retrieve(self, _query: Query) -> Retrieved:
        self.began.release()
        await self.go.wait()
        return Retrieved((), "", 0)


async def test_searches_beyond_the_limit_are_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieve, "CONCURRENT_REQUESTS_MAX", 2)
    store = make_store(tier="Minimal")
    app = create_app(Config(store=store, data=tmp_path))
    slow: Any = SlowRetriever()
    nothing: Any = None
    app.state.service.parts = Parts(store, nothing, nothing, nothing, nothing, slow, nothing)
    app.state.service.health.is_open = True
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        waiting = [asyncio.create_task(client.post("/v1/search", json={"query": "?"})) for _ in range(2)]
        for _ in waiting:
            await slow.began.acquire()
        refused = await client.post("/retrieve", json={"query": "?"})
        assert (refused.status_code, refused.json()["code"]) == (429, "Overloaded")
        assert refused.headers["retry-after"] == "1"
        slow.go.set()
        assert [(await answer).status_code for answer in waiting] == [200, 200]
        assert (await client.post("/v1/search", json={"query": "?"})).status_code == 200


async def test_an_unforeseen_error_is_answered_without_its_details(tmp_path: Path) -> None:
    class Broken:
        async def retrieve(self, _query: Query) -> Retrieved:
            raise ZeroDivisionError("inner secret")

    store = make_store(tier="Minimal")
    app = create_app(Config(store=store, data=tmp_path))
    broken: Any = Broken()
    nothing: Any = None
    app.state.service.parts = Parts(store, nothing, nothing, nothing, nothing, broken, nothing)
    app.state.service.health.is_open = True
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/v1/search", json={"query": "?"}, headers={"X-Request-ID": "r1"})
    assert (answer.status_code, answer.json()["code"], answer.json()["request_id"]) == (500, "InternalError", "r1")
    assert "inner secret" not in answer.text
    assert answer.headers["x-request-id"] == "r1"

"""MCP by its official client, over a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.service.api.conftest import Login
from tests.support.server import Server

TOOLS = {"memory_add", "memory_add_batch", "memory_query", "memory_retrieve", "memory_clear", "memory_stats"}


@asynccontextmanager
async def connect(server: Server, token: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
        async with Client(transport) as client:
            yield client


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    found: dict[str, Any] = result.structured_content
    return found


async def refuse(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return str(getattr(result.content[0], "text", ""))


def problem_of(text: str) -> dict[str, Any]:
    """The problem at the end of an error, which the SDK begins with the tool's name."""
    found: dict[str, Any] = json.loads(text[text.index("{") :])
    return found


async def test_the_tools_have_their_names_and_descriptions(guarded: Server) -> None:
    async with connect(guarded, "root-secret") as client:
        tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools} == TOOLS
    assert all(tool.description and tool.annotations for tool in tools)
    assert all("ctx" not in tool.input_schema.get("properties", {}) for tool in tools)


async def test_what_an_agent_adds_it_finds_and_clears(guarded: Server) -> None:
    async with connect(guarded, "root-secret") as client:
        added = await call(
            client, "memory_add", text="I moved to Rome.", speaker="Ada", user_id="agent", timestamp="2026-03-01T10:00"
        )
        assert (added["state"], added["entries"]) == ("Succeeded", 1)
        turns = [{"speaker": "Ben", "text": "I play the cello."}, {"speaker": "Ada", "text": "My dog is Rex."}]
        assert (await call(client, "memory_add_batch", turns=turns, user_id="agent"))["entries"] == 2
        asked = await call(client, "memory_query", query="Where does Ada live?", user_id="agent", max_tokens=60)
        assert "Rome" in asked["context"]
        assert asked["context_tokens"] <= 60
        found = await call(client, "memory_retrieve", query="Who has a dog?", user_id="agent", top_k=1)
        assert "Rex" in found["results"][0]["lossless_restatement"]
        assert (await call(client, "memory_stats"))["entries"] >= 3
        cleared = await call(client, "memory_clear", user_id="agent")
        assert (cleared["state"], cleared["receipt"]["removed"]["entries"]) == ("Succeeded", 3)
        assert (await call(client, "memory_retrieve", query="dog", user_id="agent"))["results"] == []


async def test_scopes_and_bindings_hold_here_too(guarded: Server) -> None:
    async with connect(guarded, "reader-secret") as reader:
        problem = problem_of(await refuse(reader, "memory_add", text="No."))
        assert (problem["code"], len(problem["request_id"])) == ("Forbidden", 32)
        await call(reader, "memory_query", query="Where?")
    async with connect(guarded, "alice-secret") as alice:
        await call(alice, "memory_add", text="I like tea.")
        assert {one["user_id"] for one in (await call(alice, "memory_retrieve", query="tea"))["results"]} == {"alice"}
        for tool, more in (("memory_query", {"query": "x"}), ("memory_clear", {}), ("memory_add", {"text": "x"})):
            assert problem_of(await refuse(alice, tool, user_id="bob", **more))["code"] == "Forbidden"
    async with connect(guarded, "root-secret") as root:
        assert problem_of(await refuse(root, "memory_clear"))["field"] == "user_id"
        assert "top_k" in await refuse(root, "memory_retrieve", query="x", top_k=0)


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_strangers_are_refused_at_the_door(guarded: Server, login: Login, method: str) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = httpx.request(method, f"{guarded.url}/mcp", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "Unauthorized")


def test_a_body_that_is_no_message_is_refused(guarded: Server, login: Login) -> None:
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    answer = login("root").post("/mcp", content=b"{", headers=headers)
    assert answer.status_code == 400

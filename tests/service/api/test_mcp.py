"""MCP by its official client, over a real socket."""

from __future__ import annotations

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


async def refuse(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The problem that a tool's result is; its text says the same."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    problem: dict[str, Any] = result.structured_content
    assert [getattr(one, "text", "") for one in result.content] == [f"{problem['code']}: {problem['detail']}"]
    assert len(problem["request_id"]) == 32
    return problem


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
        assert (await refuse(reader, "memory_add", text="No."))["code"] == "Forbidden"
        await call(reader, "memory_query", query="Where?")
    async with connect(guarded, "alice-secret") as alice:
        await call(alice, "memory_add", text="I like tea.")
        assert {one["user_id"] for one in (await call(alice, "memory_retrieve", query="tea"))["results"]} == {"alice"}
        for tool, more in (("memory_query", {"query": "x"}), ("memory_clear", {}), ("memory_add", {"text": "x"})):
            assert (await refuse(alice, tool, user_id="bob", **more))["code"] == "Forbidden"


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "field", "detail"),
    [
        ("memory_clear", {}, "InvalidInput", "user_id", "user_id: required, and missing"),
        ("memory_retrieve", {"query": "x", "top_k": 0}, "InvalidInput", "top_k", "(found 0)"),
        ("memory_query", {"query": ""}, "InvalidInput", "query", "query: "),
        ("memory_query", {}, "InvalidInput", "query", "query: required, and missing"),
        ("memory_add_batch", {"turns": [{"speaker": "Ada"}]}, "InvalidInput", "turns[0].text", "required"),
        ("memory_add", {"text": "x", "timestamp": "soon"}, "InvalidInput", "timestamp", "ISO 8601"),
        ("memory_forget", {}, "NotFound", None, "memory_forget"),
    ],
)
async def test_an_error_reads_as_its_code_and_what_must_hold(
    guarded: Server, tool: str, arguments: dict[str, Any], code: str, field: str | None, detail: str
) -> None:
    async with connect(guarded, "root-secret") as root:
        problem = await refuse(root, tool, **arguments)
    assert (problem["code"], problem["field"]) == (code, field)
    assert detail in problem["detail"]


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_strangers_are_refused_at_the_door(guarded: Server, login: Login, method: str) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = httpx.request(method, f"{guarded.url}/mcp", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "Unauthorized")


def test_a_body_that_is_no_message_is_refused(guarded: Server, login: Login) -> None:
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    answer = login("root").post("/mcp", content=b"{", headers=headers)
    assert answer.status_code == 400

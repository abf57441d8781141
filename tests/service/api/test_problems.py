"""Errors: one shape, the right status, the wrong field named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from simplemem_service.constants import BODY_MAX_BYTES

TURN: dict[str, Any] = {"speaker": "Ada", "text": "Hello"}
JSON = {"Content-Type": "application/json"}


def check(answer: httpx.Response, status: int, code: str, field: str | None = None) -> str:
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, body["status"], body["code"], body["field"]) == (status, status, code, field), body
    assert body["request_id"] == answer.headers["x-request-id"]
    return str(body["detail"])


@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        ({}, "turns", "required"),
        ({"turns": []}, "turns", "at least 1"),
        ({"turns": [TURN | {"timestamp": "yesterday"}]}, "turns[0].timestamp", "ISO 8601"),
        ({"turns": [TURN] * 3 + [TURN | {"timestamp": 1709312000}]}, "turns[3].timestamp", "ISO 8601"),
        ({"turns": [TURN | {"timestamp": "0001-01-01T00:00:00+14:00"}]}, "turns[0].timestamp", "between the years"),
        ({"turns": [{"speaker": "Ada"}]}, "turns[0].text", "required"),
        ({"turns": [TURN | {"text": " "}]}, "turns[0].text", "blank"),
        ({"turns": [TURN | {"text": 5}]}, "turns[0].text", "string"),
        ({"turns": [TURN | {"speaker": ""}]}, "turns[0].speaker", "at least 1"),
        ({"turns": [TURN | {"spaeker": "x"}]}, "turns[0].spaeker", "no such field"),
        ({"turns": [TURN], "user_id": "x" * 257}, "user_id", "at most 256"),
        ({"turns": "none"}, "turns", "list"),
        ([], None, "object"),
    ],
)
def test_a_wrong_field_is_named(client: httpx.Client, body: Any, field: str | None, told: str) -> None:
    detail = check(client.post("/v1/turns", json=body), 422, "InvalidInput", field)
    assert told in detail


@pytest.mark.parametrize("time", ["2026-03-01T10:00:00Z", "2026-03-01", "2026-03-01T10:00:00.5+02:00", None])
def test_usual_times_are_taken(client: httpx.Client, time: str | None) -> None:
    answer = client.post("/v1/turns", json={"user_id": "times", "turns": [TURN | {"timestamp": time}]})
    assert answer.status_code == 202


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"turns": [NaN', b"[" * 100_000])
def test_what_is_not_json_is_told_so(client: httpx.Client, content: bytes) -> None:
    answer = client.post("/v1/turns", content=content, headers=JSON)
    assert answer.status_code in (400, 422)
    assert answer.json()["request_id"]


def test_a_text_that_is_no_unicode_is_refused(client: httpx.Client) -> None:
    content = b'{"turns": [{"speaker": "Ada", "text": "\\ud800"}]}'
    check(client.post("/v1/turns", content=content, headers=JSON), 422, "InvalidInput", "turns[0].text")


def test_an_oversize_body_is_refused_by_its_length(client: httpx.Client) -> None:
    answer = client.post("/v1/turns", content=b" " * (BODY_MAX_BYTES + 1), headers=JSON)
    assert str(BODY_MAX_BYTES) in check(answer, 413, "TooLarge")


def test_an_oversize_body_is_refused_while_it_streams(client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * (BODY_MAX_BYTES // 32)

    try:
        answer = client.post("/v1/turns", content=endless(), headers=JSON)
    except httpx.WriteError:
        # The server may hang up on whoever keeps sending.
        return
    check(answer, 413, "TooLarge")


def test_unknown_paths_and_methods_have_the_same_shape(client: httpx.Client) -> None:
    check(client.get("/nowhere"), 404, "NotFound")
    check(client.get("/v1/search"), 405, "MethodNotAllowed")


def test_a_request_id_is_the_caller_s_own_if_it_is_well_formed(client: httpx.Client) -> None:
    given = client.get("/livez", headers={"X-Request-ID": "abc-1.2:3"})
    assert given.headers["x-request-id"] == "abc-1.2:3"
    replaced = client.get("/livez", headers={"X-Request-ID": "a b<script>"})
    assert len(replaced.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("query", "field"),
    [({"limit": "0"}, "limit"), ({"limit": "1001"}, "limit"), ({"from": "x"}, "from"), ({"usr": "x"}, "usr")],
)
def test_a_wrong_parameter_is_named(client: httpx.Client, query: dict[str, str], field: str) -> None:
    check(client.get("/v1/entries", params=query), 422, "InvalidInput", field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query"),
        ({"query": " "}, "query"),
        ({"query": "x" * 5000}, "query"),
        ({"query": "x", "top_k": 0}, "top_k"),
        ({"query": "x", "top_k": 101}, "top_k"),
        ({"query": "x", "max_tokens": 0}, "max_tokens"),
        ({"query": "x", "filter": {"from": "x"}}, "filter.from"),
        ({"query": "x", "filter": {"persons": "Ada"}}, "filter.persons"),
    ],
)
def test_a_wrong_question_is_refused(client: httpx.Client, body: Any, field: str) -> None:
    check(client.post("/v1/search", json=body), 422, "InvalidInput", field)

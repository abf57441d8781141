"""Routes that show what is remembered."""

from __future__ import annotations

import httpx
import pytest

from tests.support.server import remember


@pytest.fixture(scope="module")
def ids(client: httpx.Client) -> list[str]:
    return remember(client, "lister", *(f"Fact {n} is about Rome." for n in range(7)), timestamp="2026-03-02T09:00:00Z")


def test_pages_list_every_entry_once_in_order(client: httpx.Client, ids: list[str]) -> None:
    params = {"user_id": "lister", "limit": "3"}
    pages = [client.get("/v1/entries", params=params).json()]
    while pages[-1]["next_cursor"]:
        pages.append(client.get("/v1/entries", params=params | {"cursor": pages[-1]["next_cursor"]}).json())
    assert [len(page["entries"]) for page in pages] == [3, 3, 1]
    assert [entry["sources"][0] for page in pages for entry in page["entries"]] == ids


def test_a_filter_in_the_address_narrows_the_list(client: httpx.Client, ids: list[str]) -> None:
    def count(**params: str) -> int:
        return len(client.get("/v1/entries", params={"user_id": "lister"} | params).json()["entries"])

    assert count() == len(ids)
    assert count(**{"from": "2026-03-02T09:00:01Z"}) == 0
    assert count(to="2026-03-02T09:00:00Z", persons="Ada") == len(ids)
    assert count(session_id="other") == 0


def test_one_entry_is_read_by_its_id(client: httpx.Client, ids: list[str]) -> None:
    listed = client.get("/v1/entries", params={"user_id": "lister", "limit": 1}).json()["entries"][0]
    assert client.get(f"/v1/entries/{listed['entry_id']}").json() == listed
    assert listed["sources"] == ids[:1]
    missing = client.get("/v1/entries/' OR true --")
    assert (missing.status_code, missing.json()["code"]) == (404, "NotFound")


@pytest.mark.parametrize("cursor", ["x", "YWZ0ZXI6", "YWZ0ZXI6LTE", "====", "YWZ0ZXI6OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
def test_a_made_up_cursor_is_refused(client: httpx.Client, cursor: str) -> None:
    answer = client.get("/v1/entries", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["field"]) == (422, "cursor")


def test_the_status_tells_what_the_store_holds(client: httpx.Client, ids: list[str]) -> None:
    status = client.get("/v1/status").json()
    assert status["entries"] >= len(ids)
    assert status["turns"] >= len(ids)
    assert status["storage_bytes"] > 1000
    assert (status["model"], status["dimension"]) == ("all-MiniLM-L6-v2", 384)
    assert (status["tier"], status["role"], status["name"]) == ("Minimal", "all", "notes")
    assert status["index_lag_rows"] == 0
    assert status["pending_turns"] >= 0

"""Routes that answer questions."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.server import remember

WORDS = ["I moved to Rome.", "My dog is called Rex.", "I play the cello on Mondays.", "Ben visited me in May."]


@pytest.fixture(scope="module")
def user(client: httpx.Client) -> str:
    remember(client, "asker", *WORDS, timestamp="2026-03-02T09:00:00+01:00")
    remember(client, "neighbour", "I moved to Oslo.")
    return "asker"


def search(client: httpx.Client, user: str, query: str, **more: Any) -> dict[str, Any]:
    body = {"query": query, "filter": {"user_id": user}} | more
    found: dict[str, Any] = client.post("/v1/search", json=body).raise_for_status().json()
    return found


def test_the_best_entry_comes_first_with_all_its_fields(client: httpx.Client, user: str) -> None:
    found = search(client, user, "What is the name of the dog?")
    best = found["results"][0]
    assert best["sources"] == ["asker-1"]
    assert best["timestamp"] == "2026-03-02T08:00:00Z"
    assert set(best) == {
        "entry_id", "lossless_restatement", "keywords", "timestamp", "location", "persons", "entities", "user_id",
        "session_id", "sources", "valid_from", "valid_until", "superseded_by", "created_at", "score", "scores",
    }  # fmt: skip
    assert best["score"] == pytest.approx(sum(best["scores"].values()))
    assert found["took_ms"] > 0


def test_results_and_context_keep_to_their_limits(client: httpx.Client, user: str) -> None:
    found = search(client, user, "Tell me everything", top_k=2)
    assert len(found["results"]) == 2
    short = search(client, user, "Tell me everything", max_tokens=20)
    assert 0 < short["context_tokens"] <= 20
    assert search(client, user, "Tell me everything", max_tokens=1)["context_tokens"] <= 1


def test_another_user_s_memory_stays_his(client: httpx.Client, user: str) -> None:
    found = search(client, user, "Who moved to Oslo?", top_k=50)
    assert {result["user_id"] for result in found["results"]} == {user}
    assert search(client, "nobody", "Who moved?")["results"] == []


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({"persons": ["Ada"]}, 4),
        ({"persons": ["Ada", "Zoe"]}, 0),
        ({"location": "rome"}, 1),
        ({"from": "2026-03-02T08:00:00Z"}, 4),
        ({"from": "2026-03-02T08:00:01Z"}, 0),
        ({"to": "2026-03-02T07:59:59"}, 0),
        ({"session_id": "s"}, 4),
        ({"session_id": "' OR 1=1 --"}, 0),
    ],
)
def test_a_filter_narrows_the_results(client: httpx.Client, user: str, where: dict[str, Any], count: int) -> None:
    body = {"query": "Tell me everything", "filter": {"user_id": user} | where}
    assert len(client.post("/v1/search", json=body).json()["results"]) == count


@pytest.mark.parametrize("query", ["'", '"; DROP', "AND OR NOT (", "text:*", "\\", "🐝", "x" * 4096, "a\x00b"])
def test_any_question_is_data_and_never_syntax(client: httpx.Client, user: str, query: str) -> None:
    assert client.post("/v1/search", json={"query": query, "filter": {"user_id": user}}).status_code == 200

"""Facts that change, over HTTP with a real model: the newer comes first, the older is found by its time."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.server import eventually, finish


def tell(client: httpx.Client, user: str, *said: tuple[str, str, str]) -> None:
    for number, (speaker, text, day) in enumerate(said):
        turn = {"id": f"{user}-{number}", "speaker": speaker, "text": text, "timestamp": f"{day}T10:00:00Z"}
        body = {"user_id": user, "session_id": f"s{number}", "turns": [turn]}
        operation = client.post("/v1/turns", json=body).raise_for_status().json()["operation_id"]
        assert finish(client, operation)["state"] == "Succeeded"


def search(client: httpx.Client, user: str, query: str) -> list[dict[str, Any]]:
    body = {"query": query, "top_k": 10, "filter": {"user_id": user}, "explain": True}
    found: list[dict[str, Any]] = client.post("/v1/search", json=body).raise_for_status().json()["results"]
    return found


def superseded(client: httpx.Client, user: str, source: str) -> dict[str, Any] | None:
    entries = client.get("/v1/entries", params={"user_id": user}).raise_for_status().json()["entries"]
    return next((one for one in entries if source in one["sources"] and one["superseded_by"]), None)


SMALL_TALK = (
    ("Ben", "Did you see the match last night?", "2023-02-01"),
    ("Ada", "My cat is called Lovelace.", "2023-02-02"),
    ("Ben", "I bake bread on Sundays.", "2023-02-03"),
    ("Ada", "The weather was lovely at the lake.", "2023-02-04"),
)


@pytest.mark.parametrize(
    ("user", "old", "new", "question"),
    [
        ("facts-home", "I live in Paris.", "I moved from Paris to Rome.", "Where does Ada live?"),
        ("facts-told", "Ada lives in Paris.", "Ada moved from Paris to Rome.", "Where does Ada live now?"),
        ("facts-job", "I work at Google.", "I started a new job at Siemens!", "Where does Ada work?"),
        ("facts-like", "My favourite colour is blue.", "My favourite colour is red now.", "Ada's favourite colour?"),
        ("facts-zh", "我住在北京。", "我从北京搬到了上海。", "Ada住在哪里？"),
        ("facts-de", "Ich wohne in Bonn.", "Ich bin von Bonn nach Köln gezogen.", "Wo wohnt Ada?"),
    ],
)
def test_the_newer_fact_comes_first_and_the_older_is_found_by_its_date(
    client: httpx.Client, user: str, old: str, new: str, question: str
) -> None:
    tell(client, user, ("Ada", old, "2023-01-10"), *SMALL_TALK, ("Ada", new, "2024-05-20"))
    past = eventually(lambda: superseded(client, user, f"{user}-0"), within=40, what="the older fact superseded")
    assert past["valid_until"] == "2024-05-20T10:00:00Z"

    def newer_first() -> list[dict[str, Any]] | None:
        found = search(client, user, question)
        order = [one["sources"][0] for one in found]
        return found if order.index(f"{user}-5") < order.index(f"{user}-0") else None

    found = eventually(newer_first, within=40, what="the newer fact first")
    older = next(one for one in found if one["sources"] == [f"{user}-0"])
    assert older["superseded_by"] == found[0]["entry_id"]
    then = search(client, user, f"{question.rstrip('?')} in March 2023?")
    assert then[0]["sources"] == [f"{user}-0"]


def test_a_question_about_something_else_is_not_disturbed(client: httpx.Client) -> None:
    user = "facts-else"
    told = ("Ada", "I live in Paris with my cat Lovelace, who hunts mice.", "2023-01-10")
    tell(client, user, told, *SMALL_TALK[2:], ("Ada", "I live in Rome now.", "2024-05-20"))
    eventually(lambda: superseded(client, user, f"{user}-0"), within=40, what="the older fact superseded")
    found = search(client, user, "Which animal hunts mice?")
    assert found[0]["sources"] == [f"{user}-0"], found

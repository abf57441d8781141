"""Memories given, corrected, removed and brought back over HTTP."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from tests.support.server import finish, remember


def give(client: httpx.Client, user: str, *sentences: str, **fields: Any) -> dict[str, Any]:
    entries = [{"lossless_restatement": sentence} | fields for sentence in sentences]
    body = {"user_id": user, "entries": entries}
    answer = client.post("/v1/entries", json=body, params={"wait": "true"}).raise_for_status()
    assert answer.status_code == 200
    done: dict[str, Any] = answer.json()
    return done


def best(client: httpx.Client, user: str, query: str) -> str:
    body = {"query": query, "filter": {"user_id": user}, "top_k": 1}
    results = client.post("/v1/search", json=body).raise_for_status().json()["results"]
    return results[0]["lossless_restatement"] if results else ""


def test_entries_that_are_given_can_be_found(client: httpx.Client) -> None:
    done = give(client, "giver", "Ada plays the cello.", "Ben sails to Malta.", location="Malta", persons=["Ben"])
    assert (done["kind"], done["state"], done["entries"]) == ("Entries", "Succeeded", 2)
    assert best(client, "giver", "Who sails?") == "Ben sails to Malta."
    entry = client.get(f"/v1/entries/{done['entry_ids'][1]}").json()
    assert (entry["location"], entry["persons"]) == ("Malta", ["Ben"])
    again = give(client, "giver", "Ada plays the cello.", "Ben sails to Malta.")
    assert (again["entries"], again["unchanged"], again["entry_ids"]) == (0, 2, done["entry_ids"])


def test_a_change_is_accepted_before_it_is_applied(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"user_id": "async", "entries": [{"lossless_restatement": "Ada paints."}]}
    answers = [client.post("/v1/entries", json=body, headers=headers) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["operation_id"] for answer in answers}) == 1
    ended = finish(client, answers[0].json()["operation_id"])
    assert (ended["kind"], ended["state"]) == ("Entries", "Succeeded")


def test_an_id_of_another_user_is_a_conflict(client: httpx.Client) -> None:
    name = f"fixed-{uuid.uuid4().hex}"
    give(client, "first", "Ada keeps bees.", entry_id=name)
    body = {"user_id": "second", "entries": [{"lossless_restatement": "Mine.", "entry_id": name}]}
    refused = client.post("/v1/entries", json=body, params={"wait": "true"})
    assert (refused.status_code, refused.json()["code"]) == (409, "OperationFailed")


def test_a_corrected_entry_is_found_by_its_new_words_and_keeps_its_history(client: httpx.Client) -> None:
    entry_id = give(client, "editor", "Ada plays the cello.")["entry_ids"][0]
    patched = client.patch(
        f"/v1/entries/{entry_id}",
        json={"lossless_restatement": "Ada collects stamps of Peru.", "location": "Lima", "valid_until": None},
        params={"wait": "true"},
    )
    assert patched.status_code == 200, patched.text
    assert best(client, "editor", "What about stamps?") == "Ada collects stamps of Peru."
    entry = client.get(f"/v1/entries/{entry_id}").json()
    assert (entry["lossless_restatement"], entry["location"]) == ("Ada collects stamps of Peru.", "Lima")
    history = client.get(f"/v1/entries/{entry_id}/history").json()
    assert [one["change"] for one in history["revisions"]] == ["Edited"]
    assert history["revisions"][0]["before"]["lossless_restatement"] == "Ada plays the cello."
    undone = client.post(
        "/v1/undo", json={"user_id": "editor", "cause": history["revisions"][0]["cause"]}, params={"wait": "true"}
    )
    assert undone.json()["state"] == "Succeeded"
    assert client.get(f"/v1/entries/{entry_id}").json()["lossless_restatement"] == "Ada plays the cello."


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "at least one"),
        ({"lossless_restatement": None}, "must not be null"),
        ({"lossless_restatement": " "}, "blank"),
        ({"user_id": "other"}, "no such field"),
        ({"persons": "Ada"}, "persons"),
        ({"timestamp": "soon"}, "ISO 8601"),
    ],
)
def test_what_cannot_be_set_is_refused(client: httpx.Client, body: dict[str, Any], told: str) -> None:
    refused = client.patch("/v1/entries/any", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "InvalidInput")
    assert told in refused.json()["detail"]


def test_a_removed_entry_is_gone_with_a_receipt(client: httpx.Client) -> None:
    remember(client, "remover", "I keep a snake in the bath.", "I sing in a choir.")
    entries = client.get("/v1/entries", params={"user_id": "remover"}).json()["entries"]
    entry_id = entries[0]["entry_id"]
    done = client.delete(f"/v1/entries/{entry_id}", params={"wait": "true"})
    assert (done.status_code, done.json()["deleted"]) == (200, 1)
    assert done.json()["receipt"]["removed"] == {"entries": 1, "turns": 1, "revisions": 0}
    assert done.json()["receipt"]["physical_by"] > done.json()["receipt"]["requested_at"]
    assert client.get(f"/v1/entries/{entry_id}").status_code == 404
    assert client.delete(f"/v1/entries/{entry_id}").status_code == 404
    assert "snake" not in client.post("/v1/search", json={"query": "snake", "filter": {"user_id": "remover"}}).text
    history = client.get(f"/v1/entries/{entry_id}/history").json()["revisions"]
    assert [(one["change"], one["before"]) for one in history] == [("Deleted", None)]


def test_an_erased_user_leaves_a_receipt_and_nothing_else(client: httpx.Client) -> None:
    remember(client, "leaver", "I will go.", "I have gone.")
    answer = client.delete("/v1/entries", params={"user_id": "leaver"})
    assert answer.status_code == 202
    ended = finish(client, answer.json()["operation_id"])
    assert (ended["kind"], ended["receipt"]["removed"]["entries"]) == ("Erase", 2)
    assert client.get("/v1/entries", params={"user_id": "leaver"}).json()["entries"] == []
    assert client.delete("/v1/entries").status_code == 422


def test_a_newer_fact_supersedes_and_can_be_taken_back(client: httpx.Client) -> None:
    remember(client, "mover", "I live in Paris.", timestamp="2026-01-01T10:00:00Z")
    client.post(
        "/v1/turns",
        json={
            "user_id": "mover",
            "session_id": "s",
            "turns": [
                {"id": "m2", "speaker": "Ada", "text": "I live in Rome now.", "timestamp": "2026-02-01T10:00:00Z"}
            ],
        },
    )
    done = client.post("/v1/synthesis", json={"user_id": "mover"}, params={"wait": "true"})
    assert (done.status_code, done.json()["kind"]) == (200, "Synthesize")
    old, new = client.get("/v1/entries", params={"user_id": "mover"}).json()["entries"]
    assert old["superseded_by"] == new["entry_id"]
    cause = client.get(f"/v1/entries/{old['entry_id']}/history").json()["revisions"][-1]["cause"]
    undone = client.post("/v1/undo", json={"user_id": "mover", "cause": cause}, params={"wait": "true"})
    assert undone.json()["state"] == "Succeeded", undone.text
    assert client.get(f"/v1/entries/{old['entry_id']}").json()["superseded_by"] is None
    missing = client.post("/v1/undo", json={"user_id": "mover", "cause": "never"}, params={"wait": "true"})
    assert (missing.status_code, missing.json()["code"]) == (409, "OperationFailed")


def test_persons_are_compared_without_case(client: httpx.Client) -> None:
    give(client, "cases", "Zoë met O'Hara.", persons=["Zoë", "O'Hara, B."])
    for persons in (["zoë"], ["ZOË", "o'hara, b."]):
        listed = client.get("/v1/entries", params={"user_id": "cases", "persons": persons}).json()["entries"]
        found = client.post("/v1/search", json={"query": "Who?", "filter": {"user_id": "cases", "persons": persons}})
        assert len(listed) == len(found.json()["results"]) == 1
    assert client.get("/v1/entries", params={"user_id": "cases", "persons": ["zo"]}).json()["entries"] == []

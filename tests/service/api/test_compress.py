"""Routes that accept turns."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.support.server import finish, list_sources, remember

ADA = {"speaker": "Ada", "text": "I keep bees on the roof."}


def post(client: httpx.Client, user: str, *turns: dict[str, str], **options: object) -> httpx.Response:
    return client.post("/v1/turns", json={"user_id": user, "turns": list(turns)}, **options)  # type: ignore[arg-type] # headers


def test_accepted_turns_can_be_found_once_their_operation_has_succeeded(client: httpx.Client) -> None:
    answer = post(client, "bees", ADA | {"id": "b1", "timestamp": "2026-03-01T10:00:00Z"})
    assert answer.status_code == 202
    ended = finish(client, answer.json()["operation_id"])
    assert ended == {
        "operation_id": answer.json()["operation_id"],
        "kind": "Turns",
        "state": "Succeeded",
        "turns": 1,
        "entries": 1,
        "dropped": 0,
        "dropped_windows": [],
        "unchanged": 0,
        "deleted": 0,
        "error": None,
        "receipt": None,
        "done": None,
        "total": None,
    }
    found = client.post("/v1/search", json={"query": "Who keeps bees?", "filter": {"user_id": "bees"}}).json()
    assert [result["sources"] for result in found["results"]] == [["b1"]]
    assert found["results"][0]["timestamp"] == "2026-03-01T10:00:00Z"


def test_equal_turns_without_id_and_time_are_all_kept(client: httpx.Client) -> None:
    for answer in [post(client, "yes", ADA, ADA), post(client, "yes", ADA)]:
        finish(client, answer.json()["operation_id"])
    assert len(set(list_sources(client, "yes"))) == 3


def test_a_turn_with_an_id_is_kept_once(client: httpx.Client) -> None:
    for _ in range(3):
        remember(client, "once", "I have a boat.")
    assert list_sources(client, "once") == ["once-0"]


def test_an_idempotency_key_makes_a_retry_harmless(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = post(client, "retry", ADA, headers=headers)
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(lambda _: post(client, "retry", ADA, headers=headers), range(8)))
    assert {answer.text for answer in again} == {first.text}
    finish(client, first.json()["operation_id"])
    assert len(list_sources(client, "retry")) == 1
    other = post(client, "retry", ADA | {"text": "I sold the bees."}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "Conflict")
    assert post(client, "somebody else", ADA, headers=headers).status_code == 202


def test_requests_at_once_are_all_kept_in_their_own_order(client: httpx.Client) -> None:
    def send(n: int) -> str:
        turns = [{"id": f"{n}-{k}", "speaker": "Ada", "text": f"Parcel {n} {k} has arrived."} for k in range(3)]
        body = {"user_id": "many", "session_id": f"s{n}", "turns": turns}
        return str(client.post("/v1/turns", json=body).raise_for_status().json()["operation_id"])

    with ThreadPoolExecutor(16) as pool:
        for operation in list(pool.map(send, range(40))):
            finish(client, operation)
    sources = list_sources(client, "many")
    assert sorted(sources) == sorted(f"{n}-{k}" for n in range(40) for k in range(3))
    for n in range(40):
        assert [source for source in sources if source.startswith(f"{n}-")] == [f"{n}-{k}" for k in range(3)]


def test_the_documented_call_answers_when_all_is_searchable(client: httpx.Client) -> None:
    text = "Tom: I bought a red tandem.\nAnn: Where?\n[2026-01-02T10:00:00] Tom: In Ghent, for 300 euros."
    answer = client.post("/compress", json={"raw_conversation": text})
    assert answer.json() == {"compressed_entries": 3}
    found = client.post("/retrieve", json={"query": "How much was the tandem?", "top_k": 2}).json()
    assert list(found) == ["results"]
    assert any("300 euros" in result["lossless_restatement"] for result in found["results"])


def test_a_conversation_without_words_is_refused(client: httpx.Client) -> None:
    answer = client.post("/compress", json={"raw_conversation": " \n "})
    assert (answer.status_code, answer.json()["field"]) == (422, "raw_conversation")


def test_operations_that_never_were_are_not_found(client: httpx.Client) -> None:
    for made_up in ("x", "0000000000000000001-abc-00000000-1.0", "..%2f..%2fetc", "%00.0"):
        answer = client.get(f"/v1/operations/{made_up}")
        assert (answer.status_code, answer.json()["code"]) == (404, "NotFound"), made_up

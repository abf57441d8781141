"""Scopes, bound tokens and rates."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.api.access import Bucket, Caller, Scope
from simplemem_service.api.token_file import parse_token_file
from simplemem_service.api.tokens import Tokens
from simplemem_service.errors import ConfigError, RateLimitedError, UnauthorizedError
from tests.service.api.conftest import Login
from tests.support.server import Server, finish, remember

TURN = {"speaker": "Ada", "text": "I keep bees."}


@pytest.mark.parametrize(
    ("content", "caller"),
    [
        ("plain-secret", Caller("ci")),
        ("  plain==\n", Caller("ci")),
        ('{"token": "x"}', Caller("ci")),
        ('{"token": "x", "scopes": ["read", "write"]}', Caller("ci", frozenset({Scope.READ, Scope.WRITE}))),
        ("token=x\nscopes = read , write", Caller("ci", frozenset({Scope.READ, Scope.WRITE}))),
        ("token = x\nuser_id = Ann Lee\nrequests_per_second = 2.5", Caller("ci", user_id="Ann Lee",
                                                                            requests_per_second=2.5)),
    ],
)  # fmt: skip
def test_a_token_file_says_who_may_do_what(content: str, caller: Caller) -> None:
    assert parse_token_file("ci", content.encode()).caller == caller


@pytest.mark.parametrize(
    "content",
    [
        '{"token": "hidden"',
        '{"token": "hidden", "scopes": ["hidden"]}',
        '{"token": "hidden", "scopes": []}',
        '{"token": "hidden", "hidden": 1}',
        '{"token": "hidden hidden"}',
        '{"token": ["hidden"]}',
        '{"scopes": ["read"]}',
        '{"token": "hidden", "requests_per_second": 0}',
        "token = hidden\nhidden",
        "token = hidden\ntoken = hidden",
        "hidden hidden",
        "hidden\nhidden",
    ],
)
def test_a_malformed_token_file_is_refused_without_its_content(content: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_token_file("ci", content.encode())
    assert "hidden" not in str(refused.value)
    assert refused.value.__cause__ is None


@given(st.binary(max_size=80))
def test_any_file_is_a_token_or_refused(content: bytes) -> None:
    outcome: object
    try:
        outcome = parse_token_file("ci", content).secret
    except ConfigError as refused:
        outcome = str(refused)
    assert outcome


def test_a_refused_file_is_logged_by_name_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "good").write_text("good-secret")
    (tmp_path / "twice").write_text("good-secret")
    (tmp_path / "bad").write_text('{"token": "bad-secret", "scopes": ["all"]}')
    tokens = Tokens(tmp_path, is_required=True)
    with caplog.at_level(logging.INFO, "simplemem_service"):
        tokens.refresh()
        tokens.refresh()
    refused = [record for record in caplog.records if record.getMessage() == "token file refused"]
    assert [vars(record)["file"] for record in refused] == ["bad", "twice"]
    assert "secret" not in " ".join(str(vars(record)) for record in caplog.records)
    assert tokens.authorise("Bearer good-secret").name == "good"
    with pytest.raises(UnauthorizedError):
        tokens.authorise("Bearer bad-secret")


@given(st.floats(0.1, 1000), st.lists(st.floats(0, 2), max_size=50))
def test_no_more_passes_than_rate_and_burst_allow(rate: float, pauses: list[float]) -> None:
    bucket, now, passed = Bucket(rate, 0.0), 0.0, 0
    waits = [0.0]
    for pause in pauses:
        now += pause
        try:
            bucket.take(now)
            passed += 1
        except RateLimitedError as refused:
            waits.append(refused.retry_after_seconds)
    assert 0 <= min(waits) <= max(waits) <= 1 / rate + 1e-6
    assert passed <= max(1.0, 2 * rate) + now * rate + 1e-6


@pytest.mark.parametrize(
    ("method", "path", "body", "scope"),
    [
        ("POST", "/v1/turns", {"turns": [TURN]}, "write"),
        ("POST", "/compress", {"raw_conversation": "Ada: Hello"}, "write"),
        ("POST", "/retrieve", {"query": "Where?"}, "read"),
        ("POST", "/v1/search", {"query": "Where?"}, "read"),
        ("GET", "/v1/entries", None, "read"),
        ("GET", "/v1/entries/x", None, "read"),
        ("GET", "/v1/entries/x/history", None, "read"),
        ("GET", "/v1/status", None, "read"),
        ("GET", "/v1/export", None, "read"),
        ("POST", "/v1/import", None, "write"),
        ("POST", "/v1/entries", {"entries": [{"lossless_restatement": "A."}]}, "write"),
        ("PATCH", "/v1/entries/x", {"location": "Rome"}, "write"),
        ("DELETE", "/v1/entries/x", None, "write"),
        ("POST", "/v1/synthesis", {}, "write"),
        ("POST", "/v1/undo", {"cause": "x"}, "write"),
        ("POST", "/v1/recompress", {}, "write"),
        ("DELETE", "/v1/entries?user_id=nobody", None, "admin"),
    ],
)
def test_a_route_needs_its_scope(login: Login, method: str, path: str, body: object, scope: str) -> None:
    status = {name: login(name).request(method, path, json=body).status_code for name in ("root", "reader", "writer")}
    allowed = {"read": {"root", "reader"}, "write": {"root", "writer"}, "admin": {"root"}}[scope]
    assert {name for name, found in status.items() if found != 403} == allowed, status
    assert 401 not in status.values()
    assert login("stranger").request(method, path, json=body).status_code == 401


def test_what_is_not_allowed_says_which_scope_lacks(login: Login) -> None:
    refused = login("reader").post("/v1/turns", json={"turns": [TURN]})
    assert (refused.status_code, refused.json()["code"]) == (403, "Forbidden")
    assert refused.json()["detail"] == "the token of 'reader' lacks the scope 'write'; it has: read"


def test_a_bound_token_sees_and_changes_its_own_user_only(login: Login) -> None:
    root, alice = login("root"), login("alice")
    remember(root, "bob", "I moved to Oslo.")
    remember(alice, "alice", "I moved to Rome.")
    assert {entry["user_id"] for entry in alice.get("/v1/entries").json()["entries"]} == {"alice"}
    for found in (
        alice.post("/v1/search", json={"query": "Who moved to Oslo?"}),
        alice.post("/retrieve", json={"query": "Who moved to Oslo?"}),
    ):
        assert {result["user_id"] for result in found.json()["results"]} == {"alice"}
    foreign: list[httpx.Response] = [
        alice.get("/v1/entries", params={"user_id": "bob"}),
        alice.post("/v1/search", json={"query": "Where?", "filter": {"user_id": "bob"}}),
        alice.post("/retrieve", json={"query": "Where?", "user_id": "bob"}),
        alice.post("/v1/turns", json={"user_id": "bob", "turns": [TURN]}),
        alice.post("/compress", json={"user_id": "bob", "raw_conversation": "Ada: Hello"}),
        alice.post("/v1/entries", json={"user_id": "bob", "entries": [{"lossless_restatement": "A."}]}),
        alice.post("/v1/undo", json={"user_id": "bob", "cause": "x"}),
        alice.delete("/v1/entries", params={"user_id": "bob"}),
        alice.get("/v1/export", params={"user_id": "bob"}),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in foreign} == {(403, "Forbidden")}
    theirs = root.get("/v1/entries", params={"user_id": "bob"}).json()["entries"][0]["entry_id"]
    hidden = [
        alice.get(f"/v1/entries/{theirs}"),
        alice.get(f"/v1/entries/{theirs}/history"),
        alice.patch(f"/v1/entries/{theirs}", json={"location": "Rome"}),
        alice.delete(f"/v1/entries/{theirs}"),
    ]
    assert {answer.status_code for answer in hidden} == {404}
    assert alice.get("/v1/entries/nothing").json()["detail"] == "entry 'nothing' does not exist"


def test_a_bound_token_knows_its_own_operations_only(login: Login) -> None:
    root, alice = login("root"), login("alice")
    ids = [
        client.post("/v1/turns", json={"user_id": user, "turns": [TURN]}).json()["operation_id"]
        for client, user in ((root, "bob"), (alice, "alice"))
    ]
    for operation in ids:
        finish(root, operation)
    assert [alice.get(f"/v1/operations/{one}").status_code for one in ids] == [404, 200]


def test_a_bound_token_is_told_no_figure_of_others(login: Login) -> None:
    remember(login("root"), "bob", "I keep figures to myself.")
    remember(login("alice"), "alice", "I keep one figure.")
    whole, own = login("root").get("/v1/status").json(), login("alice").get("/v1/status").json()
    assert own["entries"] == len(login("alice").get("/v1/entries").json()["entries"])
    assert own["entries"] < whole["entries"]
    hidden = ("storage_bytes", "pending_turns", "oldest_pending_seconds", "spend")
    assert [own[name] for name in hidden] == [None] * len(hidden)
    assert None not in [whole[name] for name in hidden]


def test_a_bound_token_erases_its_own_user(login: Login) -> None:
    remember(login("alice"), "alice", "I will be forgotten.")
    done = login("alice").delete("/v1/entries", params={"user_id": "alice", "wait": "true"})
    assert (done.status_code, done.json()["state"]) == (200, "Succeeded")
    assert done.json()["receipt"]["user_id"] == "alice"
    assert login("alice").get("/v1/entries").json()["entries"] == []


def test_who_asks_too_often_is_told_when_to_come_again(login: Login) -> None:
    answers = [login("slow").get("/v1/status") for _ in range(3)]
    refused = answers[-1]
    assert answers[0].status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (429, "RateLimited")
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert login("reader").get("/v1/status").status_code == 200


def test_no_secret_reaches_the_log(guarded: Server, login: Login) -> None:
    assert login("broken").get("/v1/status").status_code == 401
    assert "token file refused" in guarded.log()
    assert json.dumps("broken") in guarded.log()
    assert "-secret" not in guarded.log()

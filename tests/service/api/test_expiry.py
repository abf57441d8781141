"""Tokens that are good until a time: how a file says so, who is refused when, and what is told of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.api.access import Scope
from simplemem_service.api.token_file import parse_token_file, read_own_token
from simplemem_service.api.tokens import Tokens
from simplemem_service.errors import ConfigError, TokenExpiredError, UnauthorizedError
from simplemem_service.telemetry import Metrics
from tests.service.api.conftest import EXPIRED, EXPIRES, Login
from tests.support.server import Server, eventually

END = datetime(2027, 3, 31, 18, tzinfo=UTC)
METRIC = "simplemem_token_expiry_timestamp_seconds"
SECOND = timedelta(seconds=1)


class Clock:
    """The time, as the test sets it."""

    def __init__(self) -> None:
        self.now = END - timedelta(days=1)


@pytest.mark.parametrize(
    ("written", "end"),
    [
        ("2027-03-31", datetime(2027, 4, 1, tzinfo=UTC)),
        ("2027-03-31T18:00:00Z", END),
        ("2027-03-31T18:00Z", END),
        ("2027-03-31 20:00:00+02:00", END),
        ("2027-03-31T12:30:00.5-05:30", END + timedelta(milliseconds=500)),
    ],
)
def test_a_file_says_when_its_token_expires(written: str, end: datetime) -> None:
    for content in (json.dumps({"token": "x", "expires": written}), f"token = x\nexpires = {written}"):
        assert parse_token_file("ci", content.encode()).caller.expires == end
    assert parse_token_file("ci", b"x").caller.expires is None
    assert parse_token_file("ci", b'{"token": "x", "expires": null}').caller.expires is None


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("2027-03-31T18:00:00", "'2027-03-31T18:00:00'"),
        ("2027-02-30", "'2027-02-30'"),
        ("2027-03-31T25:00:00Z", "'2027-03-31T25:00:00Z'"),
        ("31.03.2027", "'31.03.2027'"),
        ("9999-12-31", "'9999-12-31'"),
        ("0001-01-01T00:00+01:00", "'0001-01-01T00:00+01:00'"),
        ("never", "no time"),
        ("", "no time"),
        (1_806_516_000, "no time"),
        (True, "no time"),
        ({"at": "2027-03-31"}, "no time"),
    ],
)
def test_a_wrong_time_is_named_with_what_must_hold(written: object, found: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_token_file("ci", json.dumps({"token": "x", "expires": written}).encode())
    assert str(refused.value) == (
        f"expires: is {found}; it must be a date, such as 2027-03-31, or a time with its zone, such as "
        "2027-03-31T18:00:00Z"
    )


@given(st.text(max_size=50))
def test_nothing_but_a_time_is_repeated_of_a_file(written: str) -> None:
    try:
        parse_token_file("ci", json.dumps({"token": "x", "expires": written}).encode())
    except ConfigError as refused:
        shown = str(refused).split("; it must be")[0].removeprefix("expires: is ")
        assert shown == "no time" or not any(letter.isalpha() and letter not in "TZ" for letter in shown)


def test_a_token_is_good_until_its_time_and_not_after(tmp_path: Path) -> None:
    (tmp_path / "ci").write_text(json.dumps({"token": "ci-secret", "expires": END.isoformat()}))
    (tmp_path / "plain").write_text("plain-secret")
    clock = Clock()
    tokens = Tokens(tmp_path, is_required=True, now=lambda: clock.now)
    tokens.refresh()
    clock.now = END - SECOND
    assert tokens.authorise("Bearer ci-secret").name == "ci"
    clock.now = END
    with pytest.raises(TokenExpiredError) as refused:
        tokens.authorise("Bearer ci-secret")
    assert str(refused.value) == "the token of 'ci' expired at 2027-03-31T18:00:00Z; use one that is still good"
    assert tokens.authorise("Bearer plain-secret").name == "plain"


def test_a_rotated_file_brings_its_token_back(tmp_path: Path) -> None:
    (tmp_path / "ci").write_text(json.dumps({"token": "ci-secret", "expires": END.isoformat()}))
    tokens = Tokens(tmp_path, is_required=True, now=lambda: END)
    tokens.refresh()
    with pytest.raises(TokenExpiredError):
        tokens.authorise("Bearer ci-secret")
    (tmp_path / "ci").write_text(json.dumps({"token": "new-secret", "expires": (END + SECOND).isoformat()}))
    tokens.refresh()
    assert tokens.authorise("Bearer new-secret").name == "ci"
    with pytest.raises(UnauthorizedError) as refused:
        tokens.authorise("Bearer ci-secret")
    assert not isinstance(refused.value, TokenExpiredError)


def test_when_tokens_expire_is_told_as_long_as_their_files_say_so(tmp_path: Path) -> None:
    metrics = Metrics()
    tokens = Tokens(tmp_path, is_required=True, expiry=metrics.token_expiry_timestamp_seconds)

    def told() -> dict[str, float]:
        found = (sample for metric in metrics.registry.collect() for sample in metric.samples if sample.name == METRIC)
        return {sample.labels["token"]: sample.value for sample in found}

    def write(name: str, **fields: str) -> None:
        (tmp_path / name).write_text(json.dumps({"token": f"{name}-secret", **fields}))
        tokens.refresh()

    write("stays")
    assert told() == {}
    write("one", expires="2027-03-31T18:00:00Z")
    write("two", expires="2020-01-01")
    assert told() == {"one": END.timestamp(), "two": datetime(2020, 1, 2, tzinfo=UTC).timestamp()}
    write("one", expires="2027-03-31T18:00:01Z")
    assert told()["one"] == END.timestamp() + 1
    write("one")
    (tmp_path / "two").unlink()
    tokens.refresh()
    assert told() == {}
    assert b"secret" not in metrics.render()


def test_a_pod_asks_another_by_a_token_that_is_still_good(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(json.dumps({"token": "old", "expires": "2027-03-30"}))
    (tmp_path / "b").write_text(json.dumps({"token": "good", "expires": END.isoformat()}))
    assert read_own_token(tmp_path, now=lambda: END - timedelta(days=2)) == "old"
    assert read_own_token(tmp_path, Scope.ADMIN, now=lambda: END - SECOND) == "good"
    assert read_own_token(tmp_path, now=lambda: END) is None


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/status"), ("POST", "/v1/turns"), ("POST", "/mcp")])
def test_an_expired_token_is_refused_by_a_code_of_its_own(login: Login, method: str, path: str) -> None:
    refused = login("expired").request(method, path, json={})
    assert (refused.status_code, refused.json()["code"]) == (401, "TokenExpired")
    assert refused.json()["detail"] == f"the token of 'expired' expired at {EXPIRED}; use one that is still good"
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert login("passing").request(method, path, json={}).status_code != 401


def test_a_running_store_tells_when_its_tokens_expire(guarded: Server) -> None:
    def told() -> list[str]:
        lines = httpx.get(f"{guarded.url}/metrics").text.splitlines()
        return sorted(line for line in lines if line.startswith(METRIC))

    ends = {"expired": EXPIRED, "passing": EXPIRES}
    wanted = {f'{METRIC}{{token="{name}"}}': datetime.fromisoformat(end).timestamp() for name, end in ends.items()}
    assert {series: float(value) for series, value in (line.split() for line in told())} == wanted
    added = guarded.folder / "tokens" / "added"
    added.write_text(json.dumps({"token": "added-secret", "expires": EXPIRES}))
    try:
        eventually(lambda: len(told()) == 3, within=40, what="the token of a new file")
    finally:
        added.unlink()
    eventually(lambda: len(told()) == 2, within=40, what="the metric goes with its file")

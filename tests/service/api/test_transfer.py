"""Export and import: whole, verified, resumable, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from simplemem_service.api import export, import_lines
from tests.service.api.conftest import Login
from tests.support.server import Server, Starter, remember

SAMPLES: list[dict[str, Any]] = [
    {"kind": "turn", "id": "t1", "speaker": "Ada", "text": "I moved to Rome.", "timestamp": "2026-03-01T10:00:00Z"},
    {"kind": "entry", "lossless_restatement": "Ada moved to Rome.", "persons": ["Ada"], "sources": ["t1"]},
]


def lines_of(*items: dict[str, Any], **fields: Any) -> bytes:
    return b"".join(json.dumps(item | fields).encode() + b"\n" for item in items)


def read(client: httpx.Client, **params: str) -> list[dict[str, Any]]:
    answer = client.get("/v1/export", params=params)
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.raise_for_status().text.splitlines()]


def kinds(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["kind"] == kind]


def send(client: httpx.Client, content: Any, **params: str) -> httpx.Response:
    return client.post("/v1/import", content=content, params=params)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A second store."""
    server = Server(tmp_path_factory.mktemp("other"))
    server.start()
    try:
        server.wait_ready()
        with server.client() as client:
            yield client
    finally:
        server.kill()


def test_an_export_moves_a_memory_to_another_store(client: httpx.Client, other: httpx.Client) -> None:
    remember(client, "movér", "I live in Paris.", "Ben's cat is 9 — 名字 is Мурка.", "I play the cello.")
    first = client.get("/v1/entries", params={"user_id": "movér"}).json()["entries"][0]
    client.patch(f"/v1/entries/{first['entry_id']}", json={"location": "Paris"}, params={"wait": "true"})
    exported = client.get("/v1/export", params={"user_id": "movér"}).content
    lines = [json.loads(line) for line in exported.splitlines()]
    assert (len(kinds(lines, "turn")), len(kinds(lines, "entry"))) == (3, 3)
    assert lines[-1]["kind"] == "end"
    done = send(other, exported)
    assert done.status_code == 200, done.text
    assert done.json() == {
        "lines": len(lines), "turns": 3, "entries": 3, "written": 3, "unchanged": 0, "verified": True
    }  # fmt: skip
    again = read(other, user_id="movér")
    assert kinds(again, "turn") == kinds(lines, "turn")
    assert kinds(again, "entry") == kinds(lines, "entry")
    assert again[-1] == lines[-1]
    body = {"query": "Where does Ada live?", "filter": {"user_id": "movér"}}
    assert other.post("/v1/search", json=body).json()["results"][0]["location"] == "Paris"


def test_importing_again_changes_nothing(client: httpx.Client) -> None:
    remember(client, "twice", "I have a boat.", "I have a car.")
    client.post("/v1/turns", json={"user_id": "twice", "turns": [{"speaker": "Ada", "text": "No id, no time."}]})
    exported = client.get("/v1/export", params={"user_id": "twice"}).content
    for content in (exported, exported, lines_of(*SAMPLES, user_id="twice"), lines_of(*SAMPLES, user_id="twice")):
        assert send(client, content).status_code == 200
    made = lines_of(
        {"kind": "turn", "speaker": "A", "text": "Same."}, {"kind": "turn", "speaker": "A", "text": "Same."}
    )
    for _ in range(2):
        assert send(client, made.replace(b'"kind"', b'"user_id": "twice", "kind"')).json()["turns"] == 2
    after = read(client, user_id="twice")
    assert [turn["text"] for turn in kinds(after, "turn")].count("Same.") == 2
    assert [turn["text"] for turn in kinds(after, "turn")].count("I have a boat.") == 1
    assert len(kinds(after, "entry")) == len({entry["entry_id"] for entry in kinds(after, "entry")})


def test_an_export_that_was_cut_off_goes_on_from_any_checkpoint(client: httpx.Client, other: httpx.Client) -> None:
    texts = [f"Parcel {n} went to town {n * 7}." for n in range(export.PAGE_ROWS + 20)]
    remember(client, "cut", *texts)
    whole = client.get("/v1/export", params={"user_id": "cut"}).content.splitlines(keepends=True)
    places = [n for n, line in enumerate(whole) if b'"kind":"checkpoint"' in line]
    assert len(places) == 3
    for place in places:
        rest = client.get("/v1/export", params={"user_id": "cut", "after": json.loads(whole[place])["after"]}).content
        assert rest == b"".join(whole[place + 1 :])
    halves = b"".join(whole[: places[0] + 1]), b"".join(whole)
    assert send(other, halves[0]).json()["verified"] is False
    done = send(other, halves[1]).json()
    assert (done["verified"], done["written"]) == (True, len(texts))
    assert len(kinds(read(other, user_id="cut"), "turn")) == len(texts)


@pytest.mark.parametrize("after", ["x", "e30x", "eyJwb3NpdGlvbiI6IC01fQ", "bnVsbA", "\u00e9"])
def test_a_made_up_checkpoint_is_refused(client: httpx.Client, after: str) -> None:
    refused = client.get("/v1/export", params={"after": after})
    assert (refused.status_code, refused.json()["field"]) == (422, "after")


@pytest.mark.parametrize(
    ("line", "field", "told"),
    [
        (b"not json", "line", "JSON"),
        (b"[1]", "line", ""),
        (b'{"kind": "memory"}', "kind", "must be one of"),
        (b'{"text": "x"}', "kind", "must be one of"),
        (b'{"kind": "turn", "speaker": "Ada"}', "text", "required"),
        (b'{"kind": "turn", "speaker": "Ada", "text": "x", "timestamp": "soon"}', "timestamp", "ISO 8601"),
        (b'{"kind": "entry", "lossless_restatement": "x", "keywrods": []}', "keywrods", "no such field"),
        (b'{"kind": "entry", "lossless_restatement": "x", "persons": [1]}', "persons.0", "string"),
        (b'{"kind": "end", "turns": 5, "entries": 1, "sha256": "' + b"0" * 64 + b'"}', "turns", "says 5, and 1 came"),
        (b'{"kind": "end", "turns": 1, "entries": 1, "sha256": "' + b"0" * 64 + b'"}', "sha256", "changed on the way"),
        (b'{"kind": "turn", "speaker": "\xff", "text": "x"}', "line", ""),
    ],
)
def test_the_first_wrong_line_is_named_and_nothing_after_it_applied(
    client: httpx.Client, line: bytes, field: str, told: str
) -> None:
    user = f"wrong {hash(line)}"
    good = [item | {"user_id": user} for item in SAMPLES]
    late = {"kind": "turn", "id": "late", "user_id": user, "speaker": "Ada", "text": "Too late."}
    refused = send(client, lines_of(*good) + b"\n" + line + b"\n" + lines_of(late))
    body = refused.json()
    assert (refused.status_code, body["code"], body["line"], body["field"]) == (422, "InvalidInput", 4, field), body
    assert told in body["detail"]
    assert body["detail"].startswith("line 4: ")
    kept = read(client, user_id=user)
    assert [turn["id"] for turn in kinds(kept, "turn")] == ["t1"]
    assert len(kinds(kept, "entry")) == 1


def test_a_changed_line_is_found_out(client: httpx.Client) -> None:
    remember(client, "forged", "I owe Ben 20 euros.")
    exported = client.get("/v1/export", params={"user_id": "forged"}).content
    refused = send(client, exported.replace(b"20 euros", b"90 euros"))
    assert (refused.status_code, refused.json()["field"]) == (422, "sha256")


def test_turns_become_memories_where_that_is_asked_for(client: httpx.Client) -> None:
    done = send(client, lines_of(SAMPLES[0], user_id="maker"), compress="true")
    assert (done.json()["turns"], done.json()["written"]) == (1, 1)
    assert len(client.get("/v1/entries", params={"user_id": "maker"}).json()["entries"]) == 1


def test_a_bound_token_moves_its_own_memory_only(login: Login) -> None:
    alice = login("alice")
    assert send(alice, lines_of(SAMPLES[0])).json()["turns"] == 1
    remember(login("root"), "bob", "I moved to Oslo.")
    assert {line["user_id"] for line in kinds(read(alice), "turn")} == {"alice"}
    refused = send(alice, lines_of(SAMPLES[0], SAMPLES[0] | {"user_id": "bob"}))
    assert (refused.status_code, refused.json()["code"]) == (403, "Forbidden")
    assert refused.json()["detail"].startswith("line 2: ")


def test_a_large_import_streams_and_the_service_goes_on_answering(
    tmp_path: Path, make_server: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_server(tmp_path)
    server.start()
    server.wait_ready()
    text = "x" * 20_000

    def stream() -> Iterator[bytes]:
        for n in range(500):
            yield lines_of({"kind": "turn", "id": f"t{n}", "speaker": "Ada", "text": f"{n} {text}"})

    with server.client() as client:
        done = send(client, stream())
        assert done.json()["turns"] == 500, done.text
        assert client.get("/v1/status").json()["turns"] == 500
        assert sum(1 for line in client.get("/v1/export").content.splitlines() if b'"turn"' in line) == 500


async def test_batches_end_by_lines_and_by_bytes() -> None:
    async def chunks() -> Any:
        for piece in (b"1\n\n2", b"2\n", b"3\n" * 300, b"x" * import_lines.BATCH_BYTES + b"\nlast"):
            yield piece

    batches = [batch async for batch in import_lines.read_batches(chunks())]
    assert [len(batch) for batch in batches] == [256, 47, 1]
    assert batches[0][:2] == [(1, b"1"), (3, b"22")]
    assert batches[-1] == [(305, b"last")]

"""Two processes that write one store by mistake: one waits, and one that stood still in mid-commit does no harm."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.bucket import BucketServer, credentials
from tests.support.gate import Gate
from tests.support.server import Server, Starter, eventually, finish, list_sources, remember

MINILM = {"model": "all-MiniLM-L6-v2"}
WAITING = "another process writes this store; waiting for it to end"
TAKE_OVER_SECONDS = 60


def waits(server: Server) -> bool:
    ingest = server.readiness().get("checks", {}).get("ingest", {})
    return ingest.get("reason") == "Reconciling" and WAITING in ingest.get("message", "")


def test_on_a_volume_the_second_waits_until_the_first_is_gone(tmp_path: Path, make_server: Starter) -> None:
    first, second = make_server(tmp_path), make_server(tmp_path)
    first.serve("all")
    first.wait_ready()
    second.serve("all")
    eventually(lambda: waits(second), within=60, what="the second says that it waits")
    second.wait_ready()
    assert first.process is not None
    with first.client() as one, second.client() as other:
        assert remember(one, "ada", "I moved to Rome.") == ["ada-0"]
        first.process.send_signal(signal.SIGSTOP)
        turn = {"id": "ada-1", "speaker": "Ada", "text": "I have a cat."}
        answer = other.post("/v1/turns", json={"user_id": "ada", "session_id": "s", "turns": [turn]})
        assert waits(second), "a lock outlives any pause of its process"
        first.kill()
        ended = finish(other, answer.raise_for_status().json()["operation_id"])
        assert ended["state"] == "Succeeded"
        assert list_sources(other, "ada") == ["ada-0", "ada-1"]


@pytest.fixture
def gates(bucket_server: BucketServer) -> Iterator[list[Gate]]:
    gates = [Gate(bucket_server.port), Gate(bucket_server.port)]
    yield gates
    for gate in gates:
        gate.close()


def stop_at(gate: Gate, part: str, server: Server, act: Callable[[], str]) -> str:
    """Let the process stand still at its next PUT of an object with that part in its name; what was done then."""
    process = server.process
    assert process is not None
    gate.hold_next(part, lambda: process.send_signal(signal.SIGSTOP))
    done = act()
    assert gate.has_held.wait(30), f"no PUT of {part}"
    return done


def go_on(gate: Gate, server: Server) -> None:
    assert server.process is not None
    gate.open()
    server.process.send_signal(signal.SIGCONT)


def test_in_a_bucket_a_writer_that_stood_still_in_its_commit_does_no_harm(
    tmp_path: Path, gates: list[Gate], make_server: Starter
) -> None:
    first, second = (
        make_server(
            tmp_path / name,
            credentials(),
            tier="CostEffective",
            embedding=MINILM,
            storage={"s3": {"bucket": "memories", "prefix": "two-writers", "endpoint": gate.endpoint}},
        )
        for name, gate in zip(("first", "second"), gates, strict=True)
    )
    for server in (first, second):
        server.serve("all")
    first.wait_ready()
    second.wait_ready()
    if waits(first):
        first, second = second, first
        gates.reverse()
    eventually(lambda: waits(second), within=30, what="one of the two waits")
    with first.client() as one, second.client() as other:
        remember(other, "ada", "I moved to Rome.", "I have a cat.")
        told = stop_at(gates[0], "entries.lance/_versions/", first, lambda: tell(other, "erin", "I live in Oslo."))
        assert finish(other, told, within=TAKE_OVER_SECONDS)["state"] == "Succeeded"
        erased = other.delete("/v1/entries", params={"user_id": "erin"}).raise_for_status().json()["operation_id"]
        assert finish(other, erased)["state"] == "Succeeded"
        go_on(gates[0], first)
        eventually(lambda: waits(first), within=30, what="the first sees that it writes no more")
        remember(other, "ben", "I play chess.")
        for client in (one, other):
            assert list_sources(client, "erin") == []
            assert list_sources(client, "ada") == ["ada-0", "ada-1"]
            eventually(partial(has_three, client), within=20, what="three turns, three entries")


def tell(client: httpx.Client, user: str, *texts: str) -> str:
    turns = [{"id": f"{user}-late-{n}", "speaker": "Ada", "text": text} for n, text in enumerate(texts)]
    answer = client.post("/v1/turns", json={"user_id": user, "session_id": "s", "turns": turns})
    return str(answer.raise_for_status().json()["operation_id"])


def has_three(client: httpx.Client) -> bool:
    status = client.get("/v1/status").json()
    return bool(status["entries"] == status["turns"] == 3)

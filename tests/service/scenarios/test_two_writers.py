"""Processes that write one store by mistake: one writes, the others wait and accept, and one that stood still in
mid-commit does no harm.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.bucket import BUCKET, BucketServer, credentials
from tests.support.gate import Gate
from tests.support.server import Server, Starter, eventually, finish, list_sources, remember

MINILM = {"model": "all-MiniLM-L6-v2"}
WAITING = "another process writes this store; waiting for it to end"
TAKE_OVER_SECONDS = 60
PROCESSES = 4
TURNS_EACH = 12
BATCH = 3


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


@pytest.mark.parametrize("place", ["volume", "bucket"])
def test_turns_that_four_processes_accept_at_once_are_kept_once_by_the_one_that_writes(
    place: str, tmp_path: Path, bucket_server: BucketServer, make_server: Starter
) -> None:
    s3 = {"bucket": BUCKET, "prefix": "four-writers", "endpoint": bucket_server.endpoint}
    spec = {"tier": "CostEffective", "embedding": MINILM, "storage": {"s3": s3}} if place == "bucket" else {}
    servers = [
        # Processes share the folder of a volume; of a bucket nothing but its name.
        make_server(tmp_path / (str(number) if place == "bucket" else "shared"), credentials(), **spec)
        for number in range(PROCESSES)
    ]
    for server in servers:
        server.serve("all")
    for server in servers:
        server.wait_ready()
    eventually(lambda: sum(map(waits, servers)) == PROCESSES - 1, within=60, what="all but one wait")
    with ThreadPoolExecutor(PROCESSES) as pool:
        told = list(pool.map(append, servers, range(PROCESSES)))
    acknowledged = sorted({turn for turns in told for turn in turns})
    assert len(acknowledged) == PROCESSES * TURNS_EACH + 1
    for server in servers:
        with server.client() as client:
            eventually(partial(holds, client, len(acknowledged)), within=40, what="every turn counted once")
            assert sorted(list_sources(client, "ada")) == acknowledged
    assert sum(map(waits, servers)) == PROCESSES - 1


def append(server: Server, number: int) -> list[str]:
    """Tell a process turns of its own and one that all are told, all at once; their ids, once it has kept them."""
    own = [f"{number}-{turn}" for turn in range(TURNS_EACH)]
    batches = [[*own[start : start + BATCH], "of-all"] for start in range(0, TURNS_EACH, BATCH)]
    with server.client() as client:
        accepted = []
        for batch in batches:
            turns = [{"id": name, "speaker": "Ada", "text": f"Parcel {name} has arrived in Rome."} for name in batch]
            answer = client.post("/v1/turns", json={"user_id": "ada", "session_id": "s", "turns": turns})
            accepted.append(answer.raise_for_status().json()["operation_id"])
        for operation in accepted:
            ended = finish(client, operation)
            assert ended["state"] == "Succeeded", ended
    return [name for batch in batches for name in batch]


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
            storage={"s3": {"bucket": BUCKET, "prefix": "two-writers", "endpoint": gate.endpoint}},
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
            eventually(partial(holds, client, 3), within=40, what="three turns, three entries")


def tell(client: httpx.Client, user: str, *texts: str) -> str:
    turns = [{"id": f"{user}-late-{n}", "speaker": "Ada", "text": text} for n, text in enumerate(texts)]
    answer = client.post("/v1/turns", json={"user_id": user, "session_id": "s", "turns": turns})
    return str(answer.raise_for_status().json()["operation_id"])


def holds(client: httpx.Client, number: int) -> bool:
    status = client.get("/v1/status").json()
    return bool(status["entries"] == status["turns"] == number)

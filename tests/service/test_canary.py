"""The write path is proven by turns of the service's own, which no caller sees, counts or may name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from simplemem_api.conditions import Reason
from simplemem_service.canary import CHECK, FOLDER, Canary
from simplemem_service.config import Config
from simplemem_service.errors import WritePathError
from simplemem_service.factory.parts import create_parts
from simplemem_service.health import Health
from simplemem_service.ingest.canary_rows import LEFT_AFTER
from simplemem_service.models.entry import CANARY_USER
from simplemem_service.models.operation import (
    CanaryPayload,
    EntriesPayload,
    GivenEntry,
    GivenTurn,
    Operation,
)
from simplemem_service.models.query import EntryFilter, Query
from simplemem_service.parts import Parts
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.telemetry import Metrics
from tests.support.bucket import BucketServer, credentials
from tests.support.embedding import DIMENSION, TinyEmbedding
from tests.support.server import Starter, eventually, remember
from tests.support.stores import make_store

INTERVAL = timedelta(minutes=5)


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    """A store of one process; nobody works its journal off yet."""
    made = create_parts(Config(make_store(tier="Minimal"), data=tmp_path), TinyEmbedding(), Metrics())
    await made.storage.open(StoreIdentity("tiny", DIMENSION))
    yield made
    assert made.worker is not None
    await made.worker._lease.release()
    for retriever in (made.retriever, made.plain):
        if retriever is not None:
            retriever.close()
    await made.storage.close()


def make_canary(parts: Parts, clock: float = 1_000_000.0, health: Health | None = None) -> Canary:
    return Canary(
        lambda: parts,
        health or Health((), (CHECK,)),
        Metrics(),
        hurry=lambda: None,
        interval=INTERVAL,
        clock=lambda: clock,
    )


async def follow(parts: Parts) -> None:
    """What the life cycle does beside: the writer writes and the index follows."""
    assert parts.worker is not None
    assert parts.follower is not None
    while True:
        await parts.worker.run_once()
        await parts.follower.catch_up()
        await asyncio.sleep(0.01)


async def play(parts: Parts, canary: Canary) -> bool:
    following = asyncio.create_task(follow(parts))
    try:
        return await canary.round(parts)
    finally:
        following.cancel()


def leave(key: str) -> Operation:
    """The turn of a check that never removed it."""
    now = datetime.now(UTC)
    entry = GivenEntry(f"Left {key}.", "canary", key, text=f"Left {key}.", sources=(key,))
    turn = GivenTurn("", f"Left {key}.", id=key, key=key)
    return Operation(CANARY_USER, "canary", (turn,), now, payload=EntriesPayload((entry,)))


async def own_rows(parts: Parts) -> tuple[int, int]:
    removed = await parts.storage.count_user(CANARY_USER)
    return removed.entries, removed.turns


async def test_a_turn_goes_all_the_way_and_is_gone_again(parts: Parts) -> None:
    health = Health((), (CHECK,))
    canary = make_canary(parts, health=health)
    assert canary.figures()["canary_at"] == 0
    assert await play(parts, canary)
    figures = canary.figures()
    assert (figures["canary_at"], figures["canary_interval_seconds"]) == (1_000_000, 300)
    assert 0 <= figures["canary_milliseconds"] < 30_000
    assert (health.checks[CHECK].ok, health.checks[CHECK].reason) == (True, Reason.WRITE_PATH_PROVEN)
    assert await own_rows(parts) == (0, 0)
    assert not await parts.blobs.list_names("journal/open")
    assert not await parts.blobs.list_names("journal/receipts")


async def test_one_pod_of_several_sends_a_turn_and_all_know_when(parts: Parts) -> None:
    first, second = make_canary(parts), make_canary(parts)
    assert await play(parts, first)
    assert not await second.round(parts)
    assert second.last == first.last
    later = make_canary(parts, 1_000_000.0 + INTERVAL.total_seconds())
    assert await play(parts, later)
    assert len(await parts.blobs.list_names(FOLDER)) == 3, "the success before and this interval's two names"


async def test_a_turn_that_nobody_writes_is_told(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simplemem_service.canary.LEAST_PATIENCE", timedelta(seconds=0.2))
    health = Health((), (CHECK,))
    canary = Canary(
        lambda: parts, health, Metrics(), hurry=lambda: None, interval=timedelta(seconds=0.01), clock=lambda: 5.0
    )
    with pytest.raises(WritePathError, match="not applied and indexed after 0 s"):
        await canary.round(parts)
    task = asyncio.create_task(canary.run())
    while health.checks[CHECK].reason is not Reason.WRITE_PATH_STALE:
        canary._clock = time.time
        await asyncio.sleep(0.01)
    task.cancel()
    assert canary.figures()["canary_at"] == 0


async def test_what_a_killed_check_left_is_removed_by_a_later_one(parts: Parts) -> None:
    assert parts.worker is not None
    await parts.journal.append(leave("old"))
    await parts.worker.run_once()
    assert await own_rows(parts) == (1, 1)
    rows = parts.worker._applier._canaries
    later = datetime.now(UTC) + LEFT_AFTER + timedelta(minutes=1)
    assert (await rows.remove(CanaryPayload("other"))).deleted == 0
    rows._clock = lambda: later
    assert (await rows.remove(CanaryPayload("other"))).deleted == 1
    assert await own_rows(parts) == (0, 0)


async def test_nobody_sees_a_turn_that_is_under_way(parts: Parts) -> None:
    assert parts.worker is not None
    assert parts.follower is not None
    assert parts.plain is not None
    mine = replace(leave("mine"), user_id="ada")
    assert (leave("x").size, mine.size) == (0, 2)
    for operation in (leave("theirs"), mine):
        await parts.journal.append(operation)
    assert (await parts.worker.run_once()) is True
    await parts.follower.catch_up()
    assert await own_rows(parts) == (1, 1)
    counts = await parts.storage.counts()
    assert (counts.entries, counts.turns) == (1, 1)
    owners = {entry.user_id for entry in await parts.storage.list_entries(EntryFilter(), after=-1, limit=10)}
    owners |= {turn.user_id for turn in await parts.storage.list_turns(None, after=-1, limit=10)}
    owners |= {row.entry.user_id for row in await parts.storage.list_embedded(None, after=-1, limit=10)}
    assert owners == {"ada"}
    found = await parts.plain.retrieve(Query("Left theirs.", top_k=10, max_tokens=100))
    assert [hit.entry.user_id for hit in found.hits] == ["ada"]
    own = await parts.plain.retrieve(Query("Left", top_k=10, max_tokens=100, filter=EntryFilter(user_id=CANARY_USER)))
    assert [hit.entry.user_id for hit in own.hits] == [CANARY_USER]


async def test_a_refused_turn_is_told_with_its_reason(parts: Parts) -> None:
    canary = make_canary(parts)
    broken = replace(leave("x"), payload=EntriesPayload((GivenEntry("Taken.", entry_id="taken"),)))
    assert parts.worker is not None
    await parts.journal.append(replace(broken, user_id="ada"))
    await parts.worker.run_once()
    following = asyncio.create_task(follow(parts))
    with pytest.raises(WritePathError, match="belongs to another user"):
        await canary._apply(parts, (), broken.payload, time.monotonic() + 30)  # type: ignore[arg-type]
    following.cancel()
    assert len(await parts.blobs.list_names("journal/failed")) == 1


def refused(answer: httpx.Response) -> None:
    body = answer.json()
    assert (answer.status_code, body["code"], body["field"]) == (400, "ReservedUser", "user_id"), body
    assert CANARY_USER in body["detail"]


def test_a_running_store_proves_its_write_path_and_keeps_it_to_itself(make_server: Starter, tmp_path: Path) -> None:
    server = make_server(tmp_path, {"SIMPLEMEM_CANARY_SECONDS": "1"})
    server.serve("all")
    server.wait_ready()
    with server.client() as client:
        remember(client, "ada", "I live in Rome.")

        def figures() -> dict[str, int] | None:
            found: dict[str, int] = server.readiness()["figures"]
            return found if found["canary_at"] else None

        first = eventually(figures, within=30, what="a turn is found again")
        eventually(lambda: (figures() or first)["canary_at"] > first["canary_at"], within=30, what="and another one")
        assert server.reason(CHECK) == Reason.WRITE_PATH_PROVEN
        names: dict[str, Any] = {"user_id": CANARY_USER}
        turns = [{"speaker": "Eve", "text": "Hello."}]
        refused(client.post("/v1/turns", json=names | {"turns": turns}))
        refused(client.post("/compress", json=names | {"raw_conversation": "Eve: Hello."}))
        refused(client.post("/v1/search", json={"query": "path", "filter": names}))
        refused(client.post("/retrieve", json=names | {"query": "path"}))
        refused(client.get("/v1/entries", params=names))
        refused(client.delete("/v1/entries", params=names))
        refused(client.get("/v1/export", params=names))
        for _ in range(20):
            assert "write path" not in client.get("/v1/export").text
            status = client.get("/v1/status").json()
            assert (status["entries"], status["turns"]) == (1, 1)
            assert len(client.get("/v1/entries").json()["entries"]) == 1
            time.sleep(0.1)
        text = client.get("/metrics").text
        assert "simplemem_canary_failures_total 0.0" in text
        assert "simplemem_ingest_turns_total 1.0" in text, "what users said is counted, and nothing else"


async def test_checks_wake_nothing_and_are_tidied_after_some(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parts.worker is not None
    monkeypatch.setattr("simplemem_service.constants.MAINTENANCE_COMMITS", 8)
    tidied: list[int] = []

    async def maintain() -> None:
        tidied.append(1)

    monkeypatch.setattr(parts.storage, "maintain", maintain)
    upkeep = parts.worker._upkeep
    upkeep._last_commit = asyncio.get_running_loop().time()
    for key in ("one", "two"):
        await parts.journal.append(leave(key))
        await parts.worker.run_once()
        await upkeep._maintain()
    assert tidied == [1]


def test_on_a_bucket_one_pod_sends_for_all_and_each_knows(
    tmp_path: Path, bucket_server: BucketServer, make_server: Starter
) -> None:
    s3 = {"bucket": "memories", "prefix": "canaries", "endpoint": bucket_server.endpoint}
    spec: dict[str, Any] = {"tier": "CostEffective", "embedding": {"model": "all-MiniLM-L6-v2"}, "storage": {"s3": s3}}
    settings = {**credentials(), "SIMPLEMEM_CANARY_SECONDS": "2"}
    ingest, *readers = (make_server(tmp_path / name, settings, **spec) for name in ("ingest", "one", "two"))
    ingest.serve("ingest")
    for reader in readers:
        reader.serve("retrieval")
    for server in (ingest, *readers):
        server.wait_ready()
    assert "canary_at" not in ingest.readiness()["figures"], "it cannot search"

    def newest() -> list[int]:
        return [reader.readiness()["figures"]["canary_at"] for reader in readers]

    first = eventually(lambda: newest() if all(newest()) else None, within=60, what="both know of a success")
    eventually(lambda: min(newest()) > max(first), within=60, what="and of a later one")
    assert [reader.reason(CHECK) for reader in readers] == [Reason.WRITE_PATH_PROVEN] * 2

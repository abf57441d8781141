"""Removal is physical within one round, and the receipt says when."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simplemem_service import constants
from simplemem_service.errors import EmbeddingError
from simplemem_service.factory.storage import _s3_options
from simplemem_service.ingest import wire
from simplemem_service.ingest.journal_upkeep import JournalUpkeep
from simplemem_service.ingest.receipts import Receipts
from simplemem_service.ingest.removals import Removals
from simplemem_service.models.operation import DeletePayload, EditPayload, ErasePayload, OperationState, Receipt
from simplemem_service.models.query import EntryFilter
from simplemem_service.storage import maintenance
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.s3_blobs import S3BlobStore
from tests.support.bucket import BucketServer
from tests.support.entries import accepted, make_entry, make_operation, make_turn
from tests.support.memory import Memory, MemoryOpener

RETENTION = timedelta(milliseconds=300)


@pytest.fixture
def short_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "MAINTENANCE_RETENTION", RETENTION)
    monkeypatch.setattr(constants, "MAINTENANCE_RETENTION", RETENTION)
    monkeypatch.setattr(constants, "PURGE_INTERVAL", RETENTION / 10)


def holding(folder: Path, text: str) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return [str(path.relative_to(folder)) for path in files if text.encode() in path.read_bytes()]


async def receipt_of(memory: Memory, operation_id: str) -> Receipt:
    receipt = (await memory.result(operation_id)).receipt
    assert receipt is not None
    return receipt


async def until(check: Callable[[], object], memory: Memory) -> None:
    for _ in range(200):
        await memory.worker._upkeep.work()
        if check():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not within 4 s")


async def test_nothing_of_an_erased_user_is_left_on_the_disk(
    memory: Memory, tmp_path: Path, short_retention: None
) -> None:
    secret, kept = secrets.token_hex(24), secrets.token_hex(24)
    await memory.say(("Eve", f"My code is {secret}."), ("Eve", "It is long."), user="eve")
    await memory.say(("Ada", f"Mine is {kept}."))
    (eves, _) = await memory.entries("eve")
    await memory.change(EditPayload(eves.entry_id, {"location": secret}), user="eve")
    memory.embedding.failures = [EmbeddingError("unreadable")] * 2
    failed = await memory.say(("Eve", f"Again: {secret}"), user="eve", session="failing")
    assert failed.state is OperationState.FAILED
    assert {name.split("/")[0] for name in holding(tmp_path, secret)} == {"journal", "tables"}
    erased: list[str] = []

    async def forget(user_id: str) -> None:
        erased.append(user_id)

    memory.worker.erase_hooks.append(forget)
    asked = await memory.accept(ErasePayload(), user="eve")
    await memory.worker.run_once()
    receipt = await receipt_of(memory, asked)
    assert erased == ["eve"]
    assert await memory.entries("eve") == []
    assert receipt.removed == {"entries": 2, "turns": 2, "revisions": 1}
    assert receipt.physically_removed_at is None
    assert receipt.physical_by > datetime.now(UTC)
    assert holding(tmp_path, secret)
    await until((tmp_path / "receipts" / "erased" / asked).exists, memory)
    assert holding(tmp_path, secret) == []
    assert holding(tmp_path, kept)
    done = await receipt_of(memory, asked)
    assert done.physically_removed_at is not None
    assert done.sha256 == wire.sealed(done).sha256 != receipt.sha256
    assert await memory.texts() == [f"Mine is {kept}."]


async def test_a_removal_that_a_restart_interrupts_is_ended_by_the_next_process(
    open_memory: MemoryOpener, tmp_path: Path, short_retention: None
) -> None:
    secret = secrets.token_hex(24)
    first = await open_memory()
    await first.say(("Ada", f"My code is {secret}."), ("Ada", "My cat sleeps."))
    entry = await first.entry(secret)
    asked = await first.accept(DeletePayload((entry.entry_id,)))
    await first.worker.run_once()
    second = await open_memory()
    assert holding(tmp_path, secret)
    await until((tmp_path / "receipts" / "deleted" / asked).exists, second)
    assert holding(tmp_path, secret) == []
    assert (await receipt_of(second, asked)).physically_removed_at is not None
    assert await second.texts() == ["My cat sleeps."]


async def test_an_erased_user_s_receipt_outlives_results(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, short_retention: None
) -> None:
    await memory.say(("Ada", "My cat sleeps."))
    asked = await memory.accept(ErasePayload())
    told = await memory.accept(DeletePayload(("nobody's",)))
    await memory.worker.run_once()
    folder = memory.folder / "receipts"
    await until(lambda: (folder / "erased" / asked).exists() and (folder / "deleted" / told).exists(), memory)
    from simplemem_service.ingest import journal_upkeep, receipts

    for module in (journal_upkeep, receipts):
        monkeypatch.setattr(module, "RESULTS_RETENTION", timedelta(0))
    memory.worker._upkeep._next_sweep = 0.0
    await memory.worker._upkeep.work()
    memory.journal._results.clear()
    status = await memory.journal.read_operation(asked)
    assert (status.state, status.kind) == (OperationState.SUCCEEDED, "Erase")
    assert status.result is not None
    assert status.result.deleted == 1
    assert not (folder / "deleted" / told).exists()


async def test_who_is_erased_may_come_back(memory: Memory) -> None:
    await memory.say(("Ada", "My cat sleeps."))
    await memory.change(ErasePayload())
    again = await memory.say(("Ada", "My cat sleeps."))
    assert (again.entries, await memory.texts()) == (1, ["My cat sleeps."])


async def test_nothing_of_an_erased_user_is_left_in_a_bucket(bucket: BucketServer, short_retention: None) -> None:
    secret = secrets.token_hex(24)
    place = bucket.place(uuid.uuid4().hex)
    blobs = S3BlobStore(place)
    storage = LanceStorage(f"s3://{place.bucket}/{place.prefix}/tables", _s3_options(place), blobs, writes=True)
    await storage.open(StoreIdentity("tiny", 8))
    rows = [make_entry(n, user_id="eve" if n == 3 else "ada", text=secret if n == 3 else "text") for n in range(6)]
    await storage.add_entries(rows)
    await storage.add_turns([make_turn(3, user_id="eve", text=secret)])
    receipts = Receipts(blobs)
    removals = Removals(storage, JournalUpkeep(blobs), receipts, lambda: datetime.now(UTC))
    await removals.erase(accepted(make_operation([], user="eve", payload=ErasePayload()), "op"))
    assert holding(bucket._folder, secret)
    for _ in range(100):
        await removals.work()
        if not await receipts.list_open():
            break
        await asyncio.sleep(0.05)
    receipt = await receipts.read("op")
    assert receipt is not None
    assert receipt.physically_removed_at is not None
    assert holding(bucket._folder, secret) == []
    assert len(await storage.list_entries(EntryFilter(), after=-1, limit=9)) == 5
    await storage.close()


async def test_a_receipt_waits_for_the_caches(memory: Memory, tmp_path: Path, short_retention: None) -> None:
    answers: list[bool] = []
    is_there = False

    async def sweep() -> bool:
        answers.append(is_there)
        return is_there

    memory.worker.sweeps.append(sweep)
    await memory.say(("Eve", "My code is long."), user="eve")
    asked = await memory.accept(ErasePayload(), user="eve")
    await memory.worker.run_once()
    assert answers == [False], "at once"
    await until(lambda: len(answers) > 2, memory)
    assert (await receipt_of(memory, asked)).physically_removed_at is None
    is_there = True
    await until((tmp_path / "receipts" / "erased" / asked).exists, memory)
    assert (await receipt_of(memory, asked)).physically_removed_at is not None


async def test_a_receipt_waits_no_longer_than_a_cache_keeps_values(
    memory: Memory, tmp_path: Path, short_retention: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sweep() -> bool:
        return False

    monkeypatch.setattr(constants, "CACHE_LIFETIME", 2 * RETENTION)
    memory.worker.sweeps.append(sweep)
    await memory.say(("Eve", "My code is long."), user="eve")
    asked = await memory.accept(ErasePayload(), user="eve")
    await memory.worker.run_once()
    await until((tmp_path / "receipts" / "erased" / asked).exists, memory)
    assert (await receipt_of(memory, asked)).physically_removed_at is not None

"""The journal: durable before acknowledged, found again by id."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from simplemem_service.errors import (
    ConflictError,
    DamagedSegmentError,
    NotFoundError,
    OverloadedError,
    StorageUnavailableError,
)
from simplemem_service.ingest import journal as journals
from simplemem_service.ingest.identity import owner_digest
from simplemem_service.ingest.journal import Journal, idempotency_hash
from simplemem_service.models.operation import JournaledOperation, OperationResult, OperationState
from simplemem_service.storage.local_blobs import LocalBlobStore
from tests.support.entries import make_operation
from tests.support.volumes import small_volume

HOUR = 3600 * 10**9


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(LocalBlobStore(tmp_path))


def succeeded(turns: int = 1) -> OperationResult:
    return OperationResult(OperationState.SUCCEEDED, turns=turns, entries=turns, version=3)


async def read_all(journal: Journal) -> list[JournaledOperation]:
    segments = [await journal.read_open(name) for name in await journal.list_open()]
    return [item for segment in segments if segment is not None for item in segment.operations]


async def finish_all(journal: Journal) -> None:
    for name in await journal.list_open():
        segment = await journal.read_open(name)
        assert segment is not None
        await journal.finish(segment, [succeeded(len(item.operation.turns)) for item in segment.operations])


async def test_what_is_acknowledged_is_read_by_the_next_process(journal: Journal, tmp_path: Path) -> None:
    operation = make_operation(["Hello", "How are you?"])
    operation_id = await journal.append(operation)
    after_crash = Journal(LocalBlobStore(tmp_path))
    names = await after_crash.list_open()
    segment = await after_crash.read_open(names[0])
    assert segment is not None
    assert [(item.operation_id, item.operation) for item in segment.operations] == [(operation_id, operation)]


async def test_requests_at_once_share_a_segment_and_keep_their_order(journal: Journal) -> None:
    operations = [make_operation([f"text {n}"]) for n in range(50)]
    ids = await asyncio.gather(*(journal.append(operation) for operation in operations))
    names = await journal.list_open()
    assert len(names) <= 2
    found = await read_all(journal)
    assert [item.operation for item in found] == operations
    assert [item.operation_id for item in found] == ids
    assert len(set(ids)) == 50


async def test_names_ascend_also_when_the_clock_jumps_back(tmp_path: Path) -> None:
    times = iter([2_000, 1_000, 1_000, 3_000])
    journal = Journal(LocalBlobStore(tmp_path), clock_ns=lambda: next(times))
    ids = [await journal.append(make_operation([str(n)])) for n in range(4)]
    assert ids == sorted(ids)
    assert len(await journal.list_open()) == 4


async def test_order_survives_a_restart_with_the_clock_set_back(tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path)
    first = await Journal(blobs, clock_ns=lambda: 100 * HOUR).append(make_operation(["before"]))
    later = Journal(blobs, clock_ns=lambda: 97 * HOUR)
    second, third = await later.append(make_operation(["after"])), await later.append(make_operation(["last"]))
    assert await later.list_open() == [one.rpartition(".")[0] for one in (first, second, third)]


async def test_an_operation_is_followed_from_pending_to_its_end(journal: Journal, tmp_path: Path) -> None:
    operation_id = await journal.append(make_operation(["a", "b"]))
    status = await journal.read_operation(operation_id)
    assert (status.state, status.turns, status.result) == (OperationState.PENDING, 2, None)
    journal.running = frozenset(await journal.list_open())
    assert (await journal.read_operation(operation_id)).state is OperationState.RUNNING
    await finish_all(journal)
    for one in (journal, Journal(LocalBlobStore(tmp_path))):
        status = await one.read_operation(operation_id)
        assert status.state is OperationState.SUCCEEDED
        assert status.result == replace(succeeded(2), owner=status.owner)
        assert status.owner == owner_digest("ada")
    assert await journal.list_open() == []


async def test_operations_that_never_were_are_not_found(journal: Journal) -> None:
    operation_id = await journal.append(make_operation(["a"]))
    other_place, other_segment = operation_id[:-1] + "1", operation_id.replace("-1.0", "-2.0")
    for made_up in (other_place, other_segment, "x"):
        with pytest.raises(NotFoundError):
            await journal.read_operation(made_up)
    await finish_all(journal)
    for made_up in (other_place, other_segment):
        with pytest.raises(NotFoundError):
            await journal.read_operation(made_up)


async def test_an_idempotency_key_stands_for_its_first_operation(journal: Journal, tmp_path: Path) -> None:
    operation = make_operation(["a"], idempotency=idempotency_hash("caller", "ada", "k"))
    first = await journal.append_once(operation, "body")
    assert await journal.append_once(operation, "body") == first
    assert await Journal(LocalBlobStore(tmp_path)).append_once(operation, "body") == first
    with pytest.raises(ConflictError, match="another body"):
        await journal.append_once(operation, "other body")
    assert len(await journal.list_open()) == 1


async def test_of_requests_at_once_with_one_key_all_get_the_same_operation(journal: Journal) -> None:
    operation = make_operation(["a"], idempotency="k")
    ids = await asyncio.gather(*(journal.append_once(operation, "body") for _ in range(10)))
    assert len(set(ids)) == 1


def test_keys_of_different_callers_and_users_differ() -> None:
    hashes = {idempotency_hash(caller, user, "k") for caller in ("a", "b") for user in ("x", "y")}
    assert len(hashes) == 4


async def test_a_damaged_segment_is_set_aside_and_its_operation_failed(journal: Journal, tmp_path: Path) -> None:
    operation_id = await journal.append(make_operation(["a"]))
    name = (await journal.list_open())[0]
    path = tmp_path / journals.OPEN / name
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DamagedSegmentError):
        await journal.read_open(name)
    await journal.set_aside(name)
    assert await journal.list_open() == []
    assert (tmp_path / journals.DAMAGED / name).exists()
    status = await journal.read_operation(operation_id)
    assert status.state is OperationState.FAILED
    assert status.result is not None
    assert "damaged" in status.result.error


async def test_a_segment_worked_off_twice_keeps_its_first_results(journal: Journal, tmp_path: Path) -> None:
    operation_id = await journal.append(make_operation(["a"]))
    segment = await journal.read_open((await journal.list_open())[0])
    assert segment is not None
    await journal.finish(segment, [succeeded()])
    await Journal(LocalBlobStore(tmp_path)).finish(segment, [OperationResult(OperationState.SUCCEEDED, turns=1)])
    for one in (journal, Journal(LocalBlobStore(tmp_path))):
        result = (await one.read_operation(operation_id)).result
        assert result == replace(succeeded(), owner=owner_digest("ada"))


async def test_names_that_are_no_segments_are_passed_over(journal: Journal, tmp_path: Path) -> None:
    await journal.append(make_operation(["a"]))
    (tmp_path / journals.OPEN / ".nfs0001").write_bytes(b"")
    assert len(await journal.list_open()) == 1


async def test_too_many_waiting_requests_are_turned_away(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "JOURNAL_MAX_WAITING", 3)
    results = await asyncio.gather(
        *(journal.append(make_operation([str(n)])) for n in range(5)), return_exceptions=True
    )
    assert [isinstance(result, OverloadedError) for result in results] == [False, False, False, True, True]
    assert await journal.append(make_operation(["later"]))


async def test_a_large_request_has_a_segment_of_its_own(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "SEGMENT_MAX_BYTES", 1000)
    operations = [make_operation([letter * 600]) for letter in "abc"]
    await asyncio.gather(*(journal.append(operation) for operation in operations))
    assert len(await journal.list_open()) == 3


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    with small_volume(tmp_path / "volume", size="128k") as folder:
        yield folder


async def test_nothing_is_acknowledged_on_a_full_volume_and_all_is_well_after(volume: Path) -> None:
    journal = Journal(LocalBlobStore(volume / "store"))
    kept = await journal.append(make_operation(["kept"]))
    with pytest.raises(OSError, match="No space"):
        (volume / "filler").write_bytes(os.urandom(500_000))
    with pytest.raises(StorageUnavailableError, match="No space left"):
        await journal.append(make_operation(["refused" * 1000]))
    (volume / "filler").unlink()
    later = await journal.append(make_operation(["later"]))
    found = [item.operation_id for item in await read_all(journal)]
    assert found == [kept, later]

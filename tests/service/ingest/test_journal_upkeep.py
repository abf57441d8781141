"""The journal stays small."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from simplemem_service.errors import NotFoundError
from simplemem_service.ingest import journal_upkeep
from simplemem_service.ingest.journal import DAMAGED, DONE, KEYS, Journal
from simplemem_service.ingest.journal_upkeep import JournalUpkeep
from simplemem_service.models.operation import OperationResult, OperationState
from simplemem_service.storage.local_blobs import LocalBlobStore
from tests.support.entries import make_operation


async def finish(journal: Journal, *texts: str) -> str:
    operation_id = await journal.append(make_operation(texts))
    for name in await journal.list_open():
        segment = await journal.read_open(name)
        assert segment is not None
        await journal.finish(segment, [OperationResult(OperationState.SUCCEEDED, turns=1)])
    return operation_id


def age(folder: Path, by: timedelta) -> None:
    for path in folder.iterdir():
        then = path.stat().st_mtime - by.total_seconds()
        os.utime(path, (then, then))


async def test_a_finished_segment_keeps_results_and_no_words(tmp_path: Path) -> None:
    await finish(Journal(LocalBlobStore(tmp_path)), "a secret word")
    (path,) = (tmp_path / DONE).iterdir()
    assert b"secret" not in path.read_bytes()


async def test_results_and_keys_go_when_they_are_old(tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path)
    operation = make_operation(["a"], idempotency="k")
    old = await Journal(blobs).append_once(operation, "body")
    journal = Journal(blobs)
    await finish(journal, "b")
    upkeep = JournalUpkeep(blobs)
    assert await upkeep.sweep() == 0
    age(tmp_path / DONE, timedelta(hours=7))
    new = await finish(journal, "c")
    assert await upkeep.sweep() == 2
    later = Journal(blobs)
    with pytest.raises(NotFoundError, match="ended too long ago"):
        await later.read_operation(old)
    assert (await later.read_operation(new)).state is OperationState.SUCCEEDED
    assert await later.append_once(operation, "body") == old
    age(tmp_path / KEYS, timedelta(hours=25))
    assert await upkeep.sweep() == 1
    assert await later.append_once(operation, "body") != old


async def test_too_many_results_go_early_but_never_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_upkeep, "RESULTS_MAX", 2)
    blobs = LocalBlobStore(tmp_path)
    ids = [await finish(Journal(blobs), str(n)) for n in range(4)]
    upkeep = JournalUpkeep(blobs)
    assert await upkeep.sweep() == 0
    age(tmp_path / DONE, timedelta(minutes=11))
    assert await upkeep.sweep() == 2
    left = sorted(path.name for path in (tmp_path / DONE).iterdir())
    assert left == [one.rpartition(".")[0] for one in ids[2:]]


async def test_a_damaged_segment_that_names_an_erased_user_goes(tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path)
    for name, data in (("one", b'{"user_id": "eve", "tu'), ("two", b'{"user_id": "ada", "tu')):
        await blobs.put_new(f"{DAMAGED}/{name}", data)
    await JournalUpkeep(blobs).erase_user("eve")
    assert await blobs.list_names(DAMAGED) == ["two"]

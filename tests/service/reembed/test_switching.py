"""The switch to new vectors under failures: it is made once, and what fails behind it harms nothing."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from simplemem_service.embedding.base import Embedding
from simplemem_service.errors import ConflictError, StorageUnavailableError
from simplemem_service.ingest import reembed
from simplemem_service.ingest.reembed import Reembedder
from simplemem_service.ingest.reembed_jobs import Jobs
from simplemem_service.models.operation import ReembedAction, ReembedPayload
from simplemem_service.models.query import EntryFilter
from simplemem_service.storage.base import FIRST_TABLE, StoreIdentity
from simplemem_service.storage.identity import advance_identity, read_identity
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.local_blobs import LocalBlobStore
from tests.support.embedding import TinyEmbedding
from tests.support.entries import accepted, make_entry, make_operation
from tests.support.server import eventually

ENTRIES = 40
FIRST = StoreIdentity("first", 8)


class FailingBlobs(LocalBlobStore):
    """Refuses to write some names, or writes them and says that it did not."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.refused = ""
        """What refused names begin with."""
        self.unknown: list[str] = []
        """What names begin with that are written once without an answer."""

    @override
    async def put_new(self, name: str, data: bytes) -> bool:
        if self.refused and name.startswith(self.refused):
            raise StorageUnavailableError("refused")
        is_new = await super().put_new(name, data)
        for start in [start for start in self.unknown if name.startswith(start)]:
            self.unknown.remove(start)
            raise StorageUnavailableError("no answer")
        return is_new


class Store:
    """A store of some entries whose vectors come from a model that is gone, with its writer's re-embedder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)
        self.blobs = FailingBlobs(folder)
        self.storage = LanceStorage(str(folder / "tables"), {}, self.blobs, writes=True)
        self.reembedder = Reembedder(self.storage, self.blobs, self._load, lambda: None)

    async def open(self) -> None:
        await self.storage.open(await read_identity(self.blobs) or FIRST)

    async def begin(self, action: ReembedAction = ReembedAction.START) -> str:
        payload = ReembedPayload(action, "tiny" if action is ReembedAction.START else "")
        operation = accepted(make_operation((), payload=payload), f"1-a-{next(self._numbers)}-1.0")
        await self.reembedder.accept(operation, payload)
        return operation.operation_id

    async def step_until(self, is_done: Callable[[bool], bool]) -> None:
        async with asyncio.timeout(30):
            while not is_done(await self.reembedder.step()):
                await asyncio.sleep(0.01)

    async def switch(self) -> None:
        await self.step_until(lambda has_switched: has_switched)

    def tables(self) -> set[str]:
        return {path.stem for path in (self.folder / "tables").glob(f"{FIRST_TABLE}*.lance")}

    async def close(self) -> None:
        await self.reembedder.pause()
        await self.storage.close()

    @staticmethod
    async def _load(_model: str) -> Embedding:
        return TinyEmbedding()


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    made = Store(tmp_path)
    await made.open()
    await made.storage.add_entries([make_entry(number) for number in range(ENTRIES)])
    yield made
    await made.close()


async def count(storage: LanceStorage) -> int:
    return len(await storage.list_entries(EntryFilter(), after=-1, limit=1_000))


async def test_a_switch_without_an_answer_is_made_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reembed, "back_off", lambda _failures: 0.01)
    operation = await store.begin()
    store.blobs.unknown = ["identity/"]
    await store.switch()
    found = await read_identity(store.blobs)
    assert found is not None
    assert (found.model, found.generation) == ("tiny", 1)
    end = await Jobs(store.blobs, store.storage).read_end(operation)
    assert end is not None
    assert (end.error, end.generation, end.entries) == ("", 1, ENTRIES)
    following = Store(store.folder)
    await following.open()
    assert await count(following.storage) == ENTRIES
    await following.close()


async def test_nothing_is_written_between_a_switch_and_its_answer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reembed, "back_off", lambda _failures: 0.01)
    await store.begin()
    store.blobs.refused = "identity/"
    switching = asyncio.create_task(store.switch())
    await asyncio.to_thread(
        eventually, lambda: len(store.tables()) == 2 or None, within=30, what="the table of the new vectors"
    )
    await asyncio.sleep(0.5)
    assert not switching.done()
    assert await read_identity(store.blobs) == FIRST
    store.blobs.refused = ""
    await switching
    assert await read_identity(store.blobs) != FIRST


async def test_what_fails_behind_the_switch_is_left_to_the_next_writer(store: Store) -> None:
    operation = await store.begin()
    store.blobs.refused = "reembed/ended"
    await store.switch()
    tables = store.tables()
    assert len(tables) == 2
    following = Store(store.folder)
    await following.open()
    jobs = Jobs(following.blobs, following.storage)
    assert await jobs.read_end(operation) is None
    assert not await following.reembedder.step()
    end = await jobs.read_end(operation)
    assert end is not None
    assert (end.error, end.generation, end.entries) == ("", 1, ENTRIES)
    assert store.tables() == tables
    assert await count(following.storage) == ENTRIES
    await following.close()


async def test_a_table_in_use_outlives_a_drop_that_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.begin()
    await store.storage.sides.create(StoreIdentity("old", 8, table=f"{FIRST_TABLE}-9-left"))

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is away")

    monkeypatch.setattr(type(store.storage.sides._connection), "drop_table", fail)
    await store.switch()
    found = await read_identity(store.blobs)
    assert found is not None
    assert {found.table, f"{FIRST_TABLE}-9-left"} <= store.tables()


async def test_a_table_that_cannot_be_dropped_goes_on_losing_what_is_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = store.storage.sides
    await sides.create(StoreIdentity("old", 8, table=f"{FIRST_TABLE}-9-left"))

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is away")

    with monkeypatch.context() as patched:
        patched.setattr(type(sides._connection), "drop_table", fail)
        with pytest.raises(StorageUnavailableError, match="disk is away"):
            await sides.drop(())
    assert list(sides.tables) == [f"{FIRST_TABLE}-9-left"]
    assert await sides.drop(()) == [f"{FIRST_TABLE}-9-left"]
    assert store.tables() == {FIRST_TABLE}


async def test_tables_come_and_go_under_the_lock(store: Store) -> None:
    sides = store.storage.sides
    await sides.create(StoreIdentity("old", 8, table=f"{FIRST_TABLE}-9-left"))
    async with sides.lock:
        dropping = asyncio.create_task(sides.drop(()))
        refreshing = asyncio.create_task(sides.refresh(FIRST_TABLE))
        await asyncio.sleep(0.1)
        assert not dropping.done()
        assert not refreshing.done()
        assert list(sides.tables) == [f"{FIRST_TABLE}-9-left"]
    assert await dropping == [f"{FIRST_TABLE}-9-left"]
    await refreshing


async def test_a_store_that_another_process_moved_on_is_left_alone(store: Store) -> None:
    operation = await store.begin()
    theirs = StoreIdentity("theirs", 8, generation=1, table=f"{FIRST_TABLE}-1-theirs")
    assert await advance_identity(store.blobs, theirs)
    jobs = Jobs(store.blobs, store.storage)
    async with asyncio.timeout(30):
        while await jobs.read_end(operation) is None:
            assert not await store.reembedder.step()
            await asyncio.sleep(0.01)
    end = await jobs.read_end(operation)
    assert end is not None
    assert "another process" in end.error
    assert await read_identity(store.blobs) == theirs
    assert store.tables() == {FIRST_TABLE}


async def test_one_job_at_a_time(store: Store) -> None:
    await store.begin()
    with pytest.raises(ConflictError, match="re-embeds to 'tiny'"):
        await store.begin()
    with pytest.raises(ConflictError):
        await store.begin(ReembedAction.DROP)
    await store.switch()

"""What a writer began before another took over never counts; real LanceDB in a bucket."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from simplemem_service.errors import LeaseLostError, StorageUnavailableError
from simplemem_service.models.query import EntryFilter
from simplemem_service.models.revision import ChangeKind, Revision
from simplemem_service.storage import maintenance
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.fence import fence
from simplemem_service.storage.identity import advance_identity
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.s3_blobs import S3BlobStore
from tests.support.bucket import BUCKET, BucketServer
from tests.support.entries import NOON, make_entry, make_turn

TINY = StoreIdentity("tiny", 8)


@pytest.fixture
async def writers(bucket: BucketServer) -> AsyncIterator[list[LanceStorage]]:
    """Two processes on one store, of which the first has taken over and written three entries."""
    prefix = uuid.uuid4().hex
    options = {"aws_endpoint": bucket.endpoint, "aws_region": "us-east-1", "allow_http": "true"}
    blobs = S3BlobStore(bucket.place(prefix))
    stores = [LanceStorage(f"s3://{BUCKET}/{prefix}/tables", options, blobs, writes=True) for _ in range(2)]
    await stores[0].open(TINY)
    await stores[0].fence()
    await stores[0].add_entries([make_entry(number) for number in range(3)])
    await stores[0].add_turns([make_turn(number) for number in range(3)])
    await stores[1].open(TINY)
    yield stores
    for store in stores:
        await store.close()


async def texts(store: LanceStorage) -> list[str]:
    return [entry.text for entry in await store.list_entries(EntryFilter(), after=-1, limit=100)]


@pytest.mark.parametrize(
    "commit",
    [
        lambda store: store.add_entries([make_entry(7)]),
        lambda store: store.update_entries([make_entry(1, text="late")]),
        lambda store: store.delete_entries(["entry-000001"]),
        lambda store: store.add_turns([make_turn(7)]),
        lambda store: store.delete_turns(["key-000001"]),
        lambda store: store.erase_user("ada"),
    ],
    ids=["add", "update", "delete", "add turns", "delete turns", "erase"],
)
async def test_a_commit_begun_before_the_fence_fails(
    writers: list[LanceStorage], commit: Callable[[LanceStorage], Awaitable[Any]]
) -> None:
    paused, follower = writers
    await follower.fence()
    with pytest.raises(LeaseLostError, match="another process took over"):
        await commit(paused)
    assert await texts(follower) == ["text 0", "text 1", "text 2"]
    assert (await follower.counts()).turns == 3


async def test_what_was_erased_does_not_come_back(writers: list[LanceStorage]) -> None:
    paused, follower = writers
    await follower.fence()
    await follower.add_entries([make_entry(7)])
    await follower.erase_user("ada")
    with pytest.raises(LeaseLostError):
        await paused.add_entries([make_entry(7)])
    assert await texts(follower) == []


async def test_a_fence_holds_after_the_versions_of_its_time_are_gone(
    writers: list[LanceStorage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "MAINTENANCE_RETENTION", timedelta(milliseconds=1))
    paused, follower = writers
    await follower.fence()
    entry = make_entry(0).entry
    early, late = [
        Revision(entry.entry_id, entry.user_id, NOON, cause, ChangeKind.EDITED, entry) for cause in ("early", "late")
    ]
    for _ in range(3):
        await follower.add_history([early])
        await follower.delete_history([entry.entry_id])
        await asyncio.sleep(0.01)
        await follower.maintain()
    # A table that was empty, so that nothing it reads is missing.
    with pytest.raises(LeaseLostError):
        await paused.add_history([late])
    assert await follower.history(entry.entry_id) == []


async def test_a_fence_is_no_change_to_who_follows_the_table(writers: list[LanceStorage]) -> None:
    store = writers[0]
    before = await store.read_changes(None)
    await store.fence()
    await store.add_entries([make_entry(3)])
    await store.delete_entries(["entry-000000"])
    changes = await store.read_changes(before.version)
    assert not changes.is_complete
    assert [row.entry.text for row in changes.upserted] == ["text 3"]
    assert changes.deleted == ("entry-000000",)


async def test_the_writer_before_may_write_again_when_it_takes_over(writers: list[LanceStorage]) -> None:
    await writers[1].fence()
    await writers[1].add_entries([make_entry(3)])
    await writers[0].fence()
    await writers[0].add_entries([make_entry(4)])
    assert await texts(writers[0]) == [f"text {number}" for number in range(5)]


async def test_who_missed_that_the_store_went_over_to_other_vectors_does_not_write(
    writers: list[LanceStorage],
) -> None:
    blobs = writers[1]._blobs
    assert await advance_identity(blobs, replace(TINY, generation=1, table="entries-1"))
    with pytest.raises(StorageUnavailableError, match="gone over to other vectors"):
        await writers[1].fence()


class Interrupted:
    """A table's handle; something else happens just before it restores for the first time."""

    def __init__(self, table: Any, happens: Callable[[], Awaitable[Any]]) -> None:
        self._table = table
        self._happens: Callable[[], Awaitable[Any]] | None = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    async def restore(self) -> None:
        happens, self._happens = self._happens, None
        if happens is not None:
            await happens()
        await self._table.restore()


async def test_a_commit_between_the_look_and_the_fence_counts_for_everyone(writers: list[LanceStorage]) -> None:
    first, second = writers
    reader = first
    await reader.read_changes(None)
    table = await second._table("entries", "write")
    await fence(Interrupted(table, lambda: first.add_entries([make_entry(3)])))
    assert await texts(second) == [f"text {number}" for number in range(4)]
    with pytest.raises(LeaseLostError):
        await first.add_entries([make_entry(4)])
    # A reader that saw the version in between, without the entry, finds it as well.
    now = int(await table.version())
    await table.checkout(now - 1)
    first._rows_at[now - 1] = int(await table.count_rows())
    assert first._rows_at[now - 1] == 3
    changes = await reader.read_changes(now - 1)
    assert [row.entry.text for row in changes.upserted] == [f"text {number}" for number in range(4)]

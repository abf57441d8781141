"""The store on LanceDB Cloud: what holds of a store on a disk holds there too, and what is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lancedb
import pytest

from simplemem_service.errors import IdentityMismatchError, LeaseLostError, StorageUnavailableError
from simplemem_service.models.query import EntryFilter
from simplemem_service.storage import cloud_changes, maintenance
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.lance_cloud import CloudPlace, CloudStorage
from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.storage.schema import ADDED_COLUMNS
from tests.service.storage import test_lance, test_lance_edits
from tests.support.cloud_server import API_KEY, CloudServer
from tests.support.entries import make_entry, make_turn

TINY = StoreIdentity("tiny", 8)
Maker = Callable[..., CloudStorage]

test_writing_entries_again = test_lance.test_writing_entries_again_changes_nothing
test_a_kept_turn = test_lance.test_a_kept_turn_is_known_and_kept_once
test_adding_no_entries = test_lance.test_adding_no_entries_gives_the_version_as_it_is
test_a_filter = test_lance.test_a_filter_finds_what_matches_and_is_never_syntax
test_pages = test_lance.test_pages_follow_each_other_without_gap_or_overlap
test_the_latest_entries = test_lance.test_the_latest_entries_of_a_session_come_in_order
test_changes = test_lance.test_changes_are_what_was_written_since
test_deleted_entries = test_lance.test_deleted_entries_are_told_by_their_ids
test_a_rewritten_entry = test_lance_edits.test_a_rewritten_entry_keeps_its_vectors_and_its_row
test_changing_nothing = test_lance_edits.test_changing_or_removing_nothing_leaves_the_version
test_removed_entries = test_lance_edits.test_removed_entries_are_seen_by_whoever_follows
test_entries_by_place = test_lance_edits.test_entries_are_found_by_place_and_by_what_took_their_place
test_history = test_lance_edits.test_an_entry_s_history_has_one_revision_a_cause
test_turns_in_order = test_lance_edits.test_turns_are_listed_in_the_order_they_were_kept
test_dropped_turns = test_lance_edits.test_dropped_turns_come_back_by_their_density
test_sole_turns = test_lance_edits.test_only_turns_that_no_other_entry_cites_go_with_an_entry


@pytest.fixture
def create(cloud: CloudServer, tmp_path: Path) -> Maker:
    def make(*, writes: bool = True, api_key: str = API_KEY) -> CloudStorage:
        place = CloudPlace("db://memories", "us-east-1", api_key, cloud.host)
        return CloudStorage(place, LocalBlobStore(tmp_path / "blobs"), writes=writes)

    return make


@pytest.fixture
async def storage(create: Maker) -> CloudStorage:
    storage = create()
    await storage.open(TINY)
    return storage


async def test_entries_survive_the_process(storage: CloudStorage, create: Maker) -> None:
    await storage.add_entries([make_entry(0), make_entry(1)])
    await storage.close()
    again = create()
    await again.open(TINY)
    assert await again.read_entry("entry-000001") == make_entry(1).entry
    assert await again.next_position() == 2
    await again.update_entries([replace(make_entry(1), entry=replace(make_entry(1).entry, text="new"))])
    assert [entry.text for entry in await again.last_entries("ada", "monday", 2)] == ["text 0", "new"]


async def test_a_reader_beside_the_writer_follows_it(create: Maker) -> None:
    reader, writer = create(writes=False), create()
    await reader.open(TINY)
    empty = await reader.read_changes(None)
    assert (empty.version, empty.upserted, empty.is_complete) == (0, (), True)
    assert await reader.list_entries(EntryFilter(), after=-1, limit=5) == []
    await writer.open(TINY)
    await writer.add_entries([make_entry(n) for n in range(5)])
    start = await reader.read_changes(0)
    assert [row.entry.position for row in start.upserted] == [0, 1, 2, 3, 4]
    await writer.update_entries([make_entry(1, text="changed")])
    await writer.delete_entries(["entry-000003"])
    await writer.add_entries([make_entry(7)])
    changes = await reader.read_changes(start.version)
    assert not changes.is_complete
    assert [row.entry.text for row in changes.upserted] == ["changed", "text 7"]
    assert changes.deleted == ("entry-000003",)
    after = await reader.read_changes(changes.version)
    assert (after.upserted, after.deleted, after.is_complete) == ((), (), False)


async def test_a_whole_table_comes_in_pages(
    storage: CloudStorage, cloud: CloudServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_changes, "PAGE", 3)
    await storage.add_entries([make_entry(n) for n in (0, 1, 2, 3, 9, 10)])
    changes = await storage.read_changes(None)
    assert sorted(row.entry.position for row in changes.upserted) == [0, 1, 2, 3, 9, 10]
    assert len(changes.upserted) == 6
    assert len([body for body in cloud.bodies("/entries/query/") if "position" in body.get("filter", "")]) == 4


async def test_a_commit_with_a_number_already_passed_is_seen_all_the_same(storage: CloudStorage) -> None:
    await storage.add_entries([make_entry(n) for n in range(3)])
    start = await storage.read_changes(None)
    storage._written = 0
    await storage.add_entries([make_entry(3)])
    changes = await storage.read_changes(start.version)
    assert changes.is_complete
    assert sorted(row.entry.position for row in changes.upserted) == [0, 1, 2, 3]


async def test_commits_at_once_are_all_followed(storage: CloudStorage) -> None:
    start = await storage.read_changes(None)
    await asyncio.gather(*(storage.add_entries([make_entry(n)]) for n in range(6)))
    changes = await storage.read_changes(start.version)
    assert not changes.is_complete
    assert [row.entry.position for row in changes.upserted] == [0, 1, 2, 3, 4, 5]


async def test_who_takes_over_changes_no_row_and_goes_on_counting(storage: CloudStorage, create: Maker) -> None:
    await storage.add_entries([make_entry(0)])
    start = await storage.read_changes(None)
    other = create()
    await other.open(TINY)
    await other.fence()
    await other.add_entries([make_entry(1)])
    changes = await storage.read_changes(start.version)
    assert not changes.is_complete
    assert [row.entry.position for row in changes.upserted] == [1]


async def test_a_merge_that_the_server_gives_up_for_a_fence_is_a_lost_lease(
    storage: CloudStorage, cloud: CloudServer
) -> None:
    cloud.refused["/merge_insert/"] = (409, "Commit conflict: incompatible with concurrent transaction Restore")
    with pytest.raises(LeaseLostError):
        await storage.add_entries([make_entry(0)])
    assert len(cloud.bodies("/merge_insert/")) == 1


async def test_a_merge_that_the_server_has_begun_before_a_fence_does_not_count(
    storage: CloudStorage, create: Maker, cloud: CloudServer
) -> None:
    await storage.add_entries([make_entry(0)])
    other = create()
    await other.open(TINY)
    cloud.has_begun.clear()
    cloud.may_merge.clear()
    late = asyncio.create_task(storage.add_entries([make_entry(1)]))
    assert await asyncio.to_thread(cloud.has_begun.wait, 30)
    await other.fence()
    cloud.may_merge.set()
    with pytest.raises(LeaseLostError):
        await late
    assert [entry.text for entry in await other.list_entries(EntryFilter(), after=-1, limit=9)] == ["text 0"]


async def test_all_rows_of_a_user_go(storage: CloudStorage) -> None:
    await storage.add_entries([make_entry(0), make_entry(1, user_id="ben")])
    await storage.add_turns([make_turn(0), make_turn(1, user_id="ben")])
    mark = await storage.purge(drops_indices=True)
    assert (await storage.count_user("ben")).entries == 1
    await storage.erase_user("ben")
    counts = await storage.counts()
    assert (counts.entries, counts.turns) == (1, 1)
    assert counts.size_bytes > 1_000
    after = await storage.purge(drops_indices=True)
    assert all(after[name] >= mark[name] for name in mark)
    # Versions go when the vendor lets them go.
    assert not await storage.is_purged(after)


async def test_large_tables_get_their_indices_and_no_compaction(
    storage: CloudStorage, cloud: CloudServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "SCALAR_INDEX_ROWS", 2)
    await storage.add_entries([make_entry(n) for n in range(3)])
    await storage.maintain()
    await storage.maintain()
    made = [(body["column"], body["index_type"]) for body in cloud.bodies("/entries/create_index/")]
    assert ("entry_id", "BTREE") in made
    assert ("user_id", "BITMAP") in made
    assert len(made) == len(set(made)) == len(maintenance.ENTRY_INDICES)


async def test_a_table_of_an_older_version_gets_the_newer_columns(
    storage: CloudStorage, create: Maker, tmp_path: Path
) -> None:
    await storage.add_entries([make_entry(0)])
    raw = await lancedb.connect_async(str(tmp_path / "cloud" / "memories"))
    await (await raw.open_table("entries")).drop_columns(list(ADDED_COLUMNS))
    again = create()
    await again.open(TINY)
    await again.add_entries([make_entry(1)])
    assert [entry.compressed_by for entry in await again.last_entries("ada", "monday", 2)] == [None, "rules"]


async def test_another_model_is_refused(storage: CloudStorage, create: Maker, tmp_path: Path) -> None:
    with pytest.raises(IdentityMismatchError, match="holds vectors of 'tiny'"):
        await create().open(StoreIdentity("other", 8))
    (tmp_path / "blobs" / "identity.json").unlink()
    with pytest.raises(IdentityMismatchError, match="tables hold vectors of 'tiny'"):
        await create().open(StoreIdentity("other", 8))


async def test_a_wrong_key_is_told_without_the_key(create: Maker) -> None:
    with pytest.raises(StorageUnavailableError, match="401") as caught:
        await create(api_key="another-secret").open(TINY)
    assert "another-secret" not in str(caught.value)
    assert API_KEY not in repr(CloudPlace("db://x", "us-east-1", API_KEY))


async def test_an_outage_is_told_and_passes(storage: CloudStorage, cloud: CloudServer) -> None:
    await storage.add_entries([make_entry(0)])
    for status in (400, 503):
        cloud.refused["/query/"] = (status, "out of order")
        with pytest.raises(StorageUnavailableError, match="out of order"):
            await storage.read_entry("entry-000000")
    cloud.refused.clear()
    assert await storage.read_entry("entry-000000") is not None

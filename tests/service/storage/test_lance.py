"""The tables, in real LanceDB on disk."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from simplemem_service.errors import IdentityMismatchError, StorageUnavailableError
from simplemem_service.models.query import EntryFilter
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.storage.schema import ADDED_COLUMNS
from tests.support.entries import NOON, make_entry, make_turn

TINY = StoreIdentity("tiny", 8)


def create_storage(folder: Path, *, writes: bool = True) -> LanceStorage:
    return LanceStorage(str(folder / "tables"), {}, LocalBlobStore(folder), writes=writes)


@pytest.fixture
async def storage(tmp_path: Path) -> LanceStorage:
    storage = create_storage(tmp_path)
    await storage.open(TINY)
    return storage


async def test_entries_survive_the_process(storage: LanceStorage, tmp_path: Path) -> None:
    await storage.add_entries([make_entry(0), make_entry(1)])
    await storage.close()
    again = create_storage(tmp_path)
    await again.open(TINY)
    assert await again.read_entry("entry-000001") == make_entry(1).entry
    assert await again.read_entry("nobody's") is None
    assert await again.next_position() == 2


async def test_writing_entries_again_changes_nothing(storage: LanceStorage) -> None:
    await storage.add_entries([make_entry(0), make_entry(1)])
    await storage.add_entries([make_entry(1, text="another text"), make_entry(2)])
    found = await storage.list_entries(EntryFilter(), after=-1, limit=10)
    assert [entry.text for entry in found] == ["text 0", "text 1", "text 2"]


async def test_writers_at_once_do_not_duplicate_an_entry(storage: LanceStorage, tmp_path: Path) -> None:
    other = create_storage(tmp_path)
    await other.open(TINY)
    entries = [make_entry(n) for n in range(20)]
    await asyncio.gather(*(one.add_entries(entries) for one in (storage, other, storage, other)))
    assert (await storage.counts()).entries == 20


async def test_a_kept_turn_is_known_and_kept_once(storage: LanceStorage) -> None:
    assert await storage.known_turns(["key-000001"]) == frozenset()
    await storage.add_turns([make_turn(1), make_turn(2)])
    await storage.add_turns([make_turn(2), make_turn(3)])
    await storage.add_turns([])
    keys = [f"key-{n:06d}" for n in range(1200)]
    assert await storage.known_turns(keys) == {"key-000001", "key-000002", "key-000003"}
    assert (await storage.counts()).turns == 3


async def test_adding_no_entries_gives_the_version_as_it_is(storage: LanceStorage) -> None:
    version = await storage.add_entries([make_entry(0)])
    assert await storage.add_entries([]) == version


FILTERED = [
    make_entry(0),
    make_entry(1, user_id="ben", persons=("Ben", "O'Neil")),
    make_entry(2, session_id="tuesday", location="Rome"),
    make_entry(3, timestamp=None),
    make_entry(4, user_id="a' OR '1'='1", persons=("Ada", "O'Neil")),
]


@pytest.mark.parametrize(
    ("where", "positions"),
    [
        (EntryFilter(), [0, 1, 2, 3, 4]),
        (EntryFilter(user_id="ada"), [0, 2, 3]),
        (EntryFilter(user_id="a' OR '1'='1"), [4]),
        (EntryFilter(user_id="' OR true --"), []),
        (EntryFilter(session_id="tuesday"), [2]),
        (EntryFilter(location="ROME"), [2]),
        (EntryFilter(persons=("O'Neil",)), [1, 4]),
        (EntryFilter(persons=("O'Neil", "Ada")), [4]),
        (EntryFilter(persons=("') OR true --",)), []),
        (EntryFilter(since=NOON + timedelta(minutes=1)), [1, 2, 4]),
        (EntryFilter(until=NOON + timedelta(minutes=1)), [0, 1]),
        (EntryFilter(since=(NOON + timedelta(minutes=2)).astimezone(timezone(timedelta(hours=5)))), [2, 4]),
    ],
)
async def test_a_filter_finds_what_matches_and_is_never_syntax(
    storage: LanceStorage, where: EntryFilter, positions: list[int]
) -> None:
    await storage.add_entries(FILTERED)
    found = await storage.list_entries(where, after=-1, limit=10)
    assert [entry.position for entry in found] == positions


async def test_pages_follow_each_other_without_gap_or_overlap(storage: LanceStorage) -> None:
    await storage.add_entries([make_entry(n) for n in range(7)])
    pages, after = [], -1
    while page := await storage.list_entries(EntryFilter(), after=after, limit=3):
        pages.append([entry.position for entry in page])
        after = page[-1].position
    assert pages == [[0, 1, 2], [3, 4, 5], [6]]


async def test_the_latest_entries_of_a_session_come_in_order(storage: LanceStorage) -> None:
    await storage.add_entries([make_entry(n, session_id="even" if n % 2 == 0 else "odd") for n in range(9)])
    found = await storage.last_entries("ada", "even", 3)
    assert [entry.position for entry in found] == [4, 6, 8]
    assert await storage.last_entries("ben", "even", 3) == []


async def test_changes_are_what_was_written_since(storage: LanceStorage) -> None:
    start = await storage.read_changes(None)
    assert start.is_complete
    assert start.upserted == ()
    await storage.add_entries([make_entry(1), make_entry(0)])
    first = await storage.read_changes(start.version)
    assert not first.is_complete
    assert [item.entry.position for item in first.upserted] == [0, 1]
    await storage.add_entries([make_entry(2)])
    await storage.maintain()
    second = await storage.read_changes(first.version)
    assert [item.entry.position for item in second.upserted] == [2]
    assert second.deleted == ()
    nothing = await storage.read_changes(second.version)
    assert (nothing.upserted, nothing.deleted, nothing.is_complete) == ((), (), False)
    everything = await storage.read_changes(None)
    assert sorted(item.entry.position for item in everything.upserted) == [0, 1, 2]
    assert len(everything.upserted) == 3


async def test_deleted_entries_are_told_by_their_ids(storage: LanceStorage) -> None:
    await storage.add_entries([make_entry(n) for n in range(4)])
    before = await storage.read_changes(None)
    table = storage._handles["entries", "write"]
    await table.delete("position = 2")
    await storage.add_entries([make_entry(4)])
    changes = await storage.read_changes(before.version)
    assert changes.deleted == ("entry-000002",)
    assert [item.entry.position for item in changes.upserted] == [4]


async def test_changes_since_a_version_that_is_gone_are_the_whole_table(storage: LanceStorage) -> None:
    await storage.add_entries([make_entry(n) for n in range(3)])
    before = await storage.read_changes(None)
    table = storage._handles["entries", "write"]
    await table.delete("position = 1")
    await table.optimize(cleanup_older_than=timedelta(milliseconds=1))
    changes = await storage.read_changes(before.version)
    assert changes.is_complete
    assert [item.entry.position for item in changes.upserted] == [0, 2]
    assert (await storage.read_changes(10_000)).is_complete


async def test_a_reader_sees_an_empty_store_until_the_writer_has_made_it(tmp_path: Path) -> None:
    reader = create_storage(tmp_path, writes=False)
    await reader.open(TINY)
    empty = await reader.read_changes(None)
    assert (empty.version, empty.upserted, empty.is_complete) == (0, (), True)
    assert await reader.list_entries(EntryFilter(), after=-1, limit=5) == []
    assert (await reader.counts()).entries == 0
    writer = create_storage(tmp_path)
    await writer.open(TINY)
    await writer.add_entries([make_entry(0)])
    changes = await reader.read_changes(0)
    assert [item.entry.position for item in changes.upserted] == [0]
    assert await reader.read_entry("entry-000000") is not None


async def test_another_model_is_refused_and_nothing_is_mixed(storage: LanceStorage, tmp_path: Path) -> None:
    await storage.add_entries([make_entry(0)])
    with pytest.raises(IdentityMismatchError, match="holds vectors of 'tiny' with 8 dimensions"):
        await create_storage(tmp_path).open(StoreIdentity("other", 8))


async def test_tables_of_another_model_are_refused_even_where_the_record_is_lost(
    storage: LanceStorage, tmp_path: Path
) -> None:
    await storage.add_entries([make_entry(0)])
    (tmp_path / "identity.json").unlink()
    with pytest.raises(IdentityMismatchError, match="tables hold vectors of 'tiny'"):
        await create_storage(tmp_path).open(StoreIdentity("other", 8))


async def test_a_table_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "tables").write_bytes(b"no folder")
    with pytest.raises(StorageUnavailableError, match="tables cannot be used"):
        await create_storage(tmp_path).open(TINY)


async def test_many_small_commits_leave_few_files_after_maintenance(storage: LanceStorage, tmp_path: Path) -> None:
    for n in range(60):
        await storage.add_entries([make_entry(n, created_at=datetime.now(UTC))])
    assert len(list((tmp_path / "tables" / "entries.lance" / "data").iterdir())) >= 60
    await storage.maintain()
    stats = await storage._handles["entries", "write"].stats()
    assert stats["fragment_stats"]["num_fragments"] == 1
    assert (await storage.counts()).entries == 60


async def test_a_store_of_an_older_version_is_read_and_gets_the_newer_columns(
    storage: LanceStorage, tmp_path: Path
) -> None:
    await storage.add_entries([make_entry(0)])
    await (await storage._table("entries", "write")).drop_columns(list(ADDED_COLUMNS))
    await storage.close()
    reader = create_storage(tmp_path, writes=False)
    await reader.open(TINY)
    assert await reader.read_entry("entry-000000") == replace(make_entry(0).entry, compressed_by=None)
    writer = create_storage(tmp_path)
    await writer.open(TINY)
    await writer.add_entries([make_entry(1)])
    assert [entry.compressed_by for entry in await reader.last_entries("ada", "monday", 2)] == [None, "rules"]
    assert [item.entry.compressed_by for item in (await reader.read_changes(None)).upserted] == [None, "rules"]

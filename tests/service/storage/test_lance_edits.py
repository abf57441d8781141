"""Changing and removing rows of real LanceDB tables, and what they were before."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import lancedb
import pyarrow as pa
import pytest

from simplemem_service.models.entry import Entry
from simplemem_service.models.query import EntryFilter
from simplemem_service.models.revision import ChangeKind, Revision
from simplemem_service.storage import maintenance, schema
from simplemem_service.storage.base import Removed, StoreIdentity
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.local_blobs import LocalBlobStore
from tests.support.entries import NOON, make_entry, make_turn

TINY = StoreIdentity("tiny", 8)


def create_storage(folder: Path) -> LanceStorage:
    return LanceStorage(str(folder / "tables"), {}, LocalBlobStore(folder), writes=True)


@pytest.fixture
async def storage(tmp_path: Path) -> LanceStorage:
    storage = create_storage(tmp_path)
    await storage.open(TINY)
    return storage


def revise(entry: Entry, cause: str, change: ChangeKind = ChangeKind.EDITED, minutes: int = 0) -> Revision:
    return Revision(entry.entry_id, entry.user_id, NOON + timedelta(minutes=minutes), cause, change, entry)


def holding(folder: Path, text: str) -> list[Path]:
    """Files below a folder that hold a text."""
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


async def texts(storage: LanceStorage) -> list[str]:
    return [entry.text for entry in await storage.list_entries(EntryFilter(), after=-1, limit=100)]


async def test_a_rewritten_entry_keeps_its_vectors_and_its_row(storage: LanceStorage) -> None:
    version = await storage.add_entries([make_entry(n) for n in range(3)])
    (row,) = await storage.read_embedded(["entry-000001"])
    changed = replace(row, entry=replace(row.entry, lossless_restatement="Ada lives in Rome.", superseded_by="x"))
    absent = make_entry(9)
    after = await storage.update_entries([changed, absent])
    assert [entry.entry_id for entry in await storage.list_entries(EntryFilter(), after=-1, limit=9)] == [
        "entry-000000",
        "entry-000001",
        "entry-000002",
    ]
    changes = await storage.read_changes(version)
    assert (changes.version, changes.deleted, changes.is_complete) == (after, (), False)
    (seen,) = changes.upserted
    assert seen.entry == changed.entry
    assert (seen.embedding == row.embedding).all()
    assert len(seen.sentences) == len(row.sentences) == 2


async def test_changing_or_removing_nothing_leaves_the_version(storage: LanceStorage) -> None:
    version = await storage.add_entries([make_entry(0)])
    assert await storage.update_entries([]) == version
    assert await storage.delete_entries([]) == version
    await storage.update_turns([])
    await storage.add_history([])
    await storage.delete_history([])
    assert await storage.count_history([]) == 0


async def test_removed_entries_are_seen_by_whoever_follows(storage: LanceStorage) -> None:
    version = await storage.add_entries([make_entry(n) for n in range(4)])
    await storage.delete_entries(["entry-000001", "entry-000003", "nobody's"])
    assert sorted((await storage.read_changes(version)).deleted) == ["entry-000001", "entry-000003"]
    assert await texts(storage) == ["text 0", "text 2"]


async def test_entries_are_found_by_place_and_by_what_took_their_place(storage: LanceStorage) -> None:
    rows = [make_entry(n, session_id="odd" if n % 2 else "even", user_id="ben" if n > 6 else "ada") for n in range(9)]
    rows[2] = replace(rows[2], entry=replace(rows[2].entry, superseded_by="entry-000004"))
    await storage.add_entries(rows)
    assert [row.entry.position for row in await storage.list_embedded("ben", after=-1, limit=9)] == [7, 8]
    assert [row.entry.position for row in await storage.list_embedded(None, after=3, limit=2)] == [4, 5]
    assert [entry.position for entry in await storage.entries_before(rows[6].entry, 2)] == [2, 4]
    assert [row.entry.position for row in await storage.superseded_by(["entry-000004", "x"])] == [2]
    assert await storage.superseded_by([]) == []


async def test_an_entry_s_history_has_one_revision_a_cause(storage: LanceStorage) -> None:
    entry = make_entry(1, location="Paris", valid_from=NOON).entry
    first, second = revise(entry, "op-1"), revise(replace(entry, location="Rome"), "op-2", ChangeKind.SUPERSEDED, 5)
    await storage.add_history([second])
    await storage.add_history([first])
    await storage.add_history([replace(first, before=replace(entry, location="replayed"))])
    gone = Revision("other", "ada", NOON, "op-1", ChangeKind.DELETED, None)
    await storage.add_history([gone])
    assert await storage.history(entry.entry_id) == [first, second]
    assert sorted(await storage.changes_by("op-1"), key=lambda one: one.entry_id) == [first, gone]
    assert await storage.count_history([entry.entry_id, "nobody's"]) == 2
    await storage.delete_history([entry.entry_id])
    assert await storage.history(entry.entry_id) == []
    assert await storage.history("' OR true --") == []


async def test_turns_are_listed_in_the_order_they_were_kept(storage: LanceStorage) -> None:
    assert await storage.next_turn_position() == 0
    turns = [make_turn(n, user_id="ben" if n == 2 else "ada", key=f"key-{9 - n}") for n in range(4)]
    await storage.add_turns(turns)
    assert await storage.list_turns("ada", after=-1, limit=2) == turns[:2]
    assert await storage.list_turns("ada", after=1, limit=2) == [turns[3]]
    assert await storage.list_turns(None, after=-1, limit=9) == turns
    assert await storage.next_turn_position() == 4


async def test_dropped_turns_come_back_by_their_density(storage: LanceStorage) -> None:
    turns = [make_turn(n, dropped_density=density) for n, density in enumerate((None, 0.1, 0.3, 0.2))]
    await storage.add_turns(turns)
    assert await storage.dropped_turns("ada", 0.2, 9) == [turns[2], turns[3]]
    assert await storage.dropped_turns(None, 0.0, 1) == [turns[1]]
    assert await storage.dropped_turns("ben", 0.0, 9) == []
    await storage.update_turns([replace(turns[2], dropped_density=None), make_turn(9)])
    assert await storage.dropped_turns(None, 0.2, 9) == [turns[3]]
    assert (await storage.counts()).turns == 4


async def test_only_turns_that_no_other_entry_cites_go_with_an_entry(storage: LanceStorage) -> None:
    await storage.add_turns([make_turn(n) for n in range(4)])
    await storage.add_turns([make_turn(8, id="turn-0", session_id="tuesday"), make_turn(9, id="turn-0", user_id="ben")])
    gone = make_entry(0, sources=("turn-0", "turn-1")).entry
    await storage.add_entries([make_entry(0, sources=gone.sources), make_entry(1, sources=("turn-1", "turn-2"))])
    assert await storage.sole_turns([gone]) == ["key-000000"]
    await storage.delete_turns(["key-000000", "nobody's"])
    left = await storage.list_turns(None, after=-1, limit=9)
    assert [turn.key for turn in left] == [f"key-{n:06d}" for n in (1, 2, 3, 8, 9)]
    assert await storage.sole_turns([make_entry(5, sources=()).entry]) == []


async def test_after_the_retention_no_file_holds_what_was_removed(
    storage: LanceStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "MAINTENANCE_RETENTION", timedelta(milliseconds=200))
    secret = secrets.token_hex(24)
    rows = [make_entry(n, user_id="eve" if n == 7 else "ada", text=secret if n == 7 else "text") for n in range(50)]
    await storage.add_entries(rows)
    await storage.add_turns([make_turn(1), make_turn(2, user_id="eve", text=secret)])
    await storage.add_history([revise(rows[7].entry, "op-1"), revise(rows[8].entry, "op-2")])
    assert len(holding(tmp_path, secret)) == 3
    assert await storage.count_user("eve") == Removed(entries=1, turns=1, revisions=1)
    version = await storage.erase_user("eve")
    assert await storage.count_user("eve") == Removed(0, 0, 0)
    assert (await storage.read_changes(version - 1)).deleted == ("entry-000007",)
    mark = await storage.purge(drops_indices=True)
    changes = await storage.read_changes(version)
    assert (changes.upserted, changes.deleted, changes.is_complete) == ((), (), False)
    assert not await storage.is_purged(mark)
    assert holding(tmp_path, secret)
    await asyncio.sleep(0.3)
    await storage.maintain()
    assert await storage.is_purged(mark)
    assert holding(tmp_path, secret) == []
    assert len(await texts(storage)) == 49
    assert await storage.count_user("ada") == Removed(entries=49, turns=1, revisions=1)
    again = await storage.purge(drops_indices=True)
    assert await storage.is_purged(again)


async def test_a_reader_that_comes_before_the_writer_finds_nothing(tmp_path: Path) -> None:
    reader = LanceStorage(str(tmp_path / "tables"), {}, LocalBlobStore(tmp_path), writes=False)
    await reader.open(TINY)
    assert await reader.list_turns(None, after=-1, limit=9) == []
    assert await reader.list_embedded(None, after=-1, limit=9) == []
    assert await reader.history("entry-000001") == []


async def test_turns_of_an_older_version_get_their_order(tmp_path: Path) -> None:
    fields = [field for field in schema.turn_schema() if field.name not in ("position", "dropped_density")]
    old = pa.schema(fields, metadata=schema.turn_schema().metadata)
    connection = await lancedb.connect_async(str(tmp_path / "tables"))
    rows = schema.turns_to_arrow([make_turn(5), make_turn(3)]).select(old.names).cast(old)
    await connection.create_table("turns", data=rows)
    storage = create_storage(tmp_path)
    await storage.open(TINY)
    await storage.add_turns([make_turn(5), make_turn(7, position=await storage.next_turn_position())])
    found = await storage.list_turns(None, after=-1, limit=9)
    assert [(turn.key[-1], turn.position) for turn in found] == [("5", 0), ("3", 1), ("7", 2)]

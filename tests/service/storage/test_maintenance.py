"""Upkeep of the tables: few fragments, few versions, few files, indices over all rows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from simplemem_service.constants import MAINTENANCE_RETENTION
from simplemem_service.models.query import EntryFilter
from simplemem_service.storage import maintenance
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.storage.maintenance import LEAST_RETENTION, VERSIONS_MAX, Upkeep
from tests.support.entries import make_entry


async def open_storage(folder: Path) -> LanceStorage:
    storage = LanceStorage(str(folder / "tables"), {}, LocalBlobStore(folder), writes=True)
    await storage.open(StoreIdentity("tiny", 8))
    return storage


async def test_many_small_commits_leave_few_files_and_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "VERSIONS_MAX", 60)
    monkeypatch.setattr(maintenance, "LEAST_RETENTION", timedelta(milliseconds=100))
    storage = await open_storage(tmp_path)
    for place in range(300):
        await storage.add_entries([make_entry(place)])
        if place % 50 == 49:
            await storage.maintain()
    table = await storage._table("entries", "write")
    assert len(await table.list_versions()) < 60 + 2 * 55
    assert (await table.stats())["fragment_stats"]["num_fragments"] == 1
    assert len(list((tmp_path / "tables" / "entries.lance").rglob("*"))) < 600
    assert len(await storage.list_entries(EntryFilter(), after=-1, limit=1000)) == 300
    await storage.close()


async def test_indices_take_in_new_rows_and_stay_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "SCALAR_INDEX_ROWS", 10)
    monkeypatch.setattr(maintenance, "SEGMENTS_MAX", 2)
    storage = await open_storage(tmp_path)
    for round_ in range(6):
        await storage.add_entries([make_entry(10 * round_ + place) for place in range(10)])
        await storage.maintain()
    table = await storage._table("entries", "write")
    indices = await table.list_indices()
    assert {index.columns[0] for index in indices} == set(maintenance.ENTRY_INDICES)
    for index in indices:
        stats = await table.index_stats(index.name)
        assert stats is not None
        assert (stats.num_unindexed_rows, (stats.num_indices or 1) <= 2) == (0, True)
    found = await storage.list_entries(EntryFilter(user_id="ada", persons=("Ada",)), after=50, limit=100)
    assert [entry.position for entry in found] == list(range(51, 60))
    await storage.close()


def test_versions_go_by_age_while_they_are_few() -> None:
    upkeep = Upkeep({}, iter(range(0, 10_000, 100)).__next__)
    assert {upkeep.retention(50 * number) for number in range(20)} == {MAINTENANCE_RETENTION}


def test_a_flood_of_versions_shortens_the_retention_but_not_below_the_least() -> None:
    upkeep = Upkeep({}, iter(range(0, 10_000, 5)).__next__)
    found = [upkeep.retention(50 * number) for number in range(60)]
    # Twenty rounds of 50 commits, 5 seconds each, after the mark that VERSIONS_MAX allows.
    assert found[-1] == timedelta(seconds=5 * VERSIONS_MAX / 50)
    fast = Upkeep({}, iter(range(10_000)).__next__)
    assert [fast.retention(500 * number) for number in range(10)][-1] == LEAST_RETENTION

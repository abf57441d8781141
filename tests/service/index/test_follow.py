"""Following the table, with a real LanceDB table and with one that fails when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from simplemem_service.errors import IndexBrokenError, StorageUnavailableError
from simplemem_service.index.base import CONTEXT, Scope
from simplemem_service.index.catalogue import Catalogue
from simplemem_service.index.follow import OWN_ROWS, Follower
from simplemem_service.index.tantivy_index import TantivyIndex
from simplemem_service.index.vector_index import VectorIndex
from simplemem_service.models.entry import CANARY_USER, EmbeddedEntry
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.local_blobs import LocalBlobStore
from tests.support.changes import Rows
from tests.support.entries import make_entry, unit_vector

QUERY = unit_vector(4711)


class BreakableIndex(TantivyIndex):
    """Fails as often as it is told to."""

    failures = 0

    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        self._fail()
        super().apply(upserted, deleted)

    def end_load(self) -> None:
        self._fail()
        super().end_load()

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise IndexBrokenError("lexical index: checksum mismatch; it is rebuilt from the table")


def make_follower(table: Rows | LanceStorage, lexical: TantivyIndex | None = None) -> Follower:
    return Follower(table, lexical or TantivyIndex(), VectorIndex(), Catalogue())


def seen(follower: Follower) -> tuple[int, int, int]:
    """What words, vectors and catalogue have."""
    views = follower.views
    words = views.lexical.search(CONTEXT, ("text",), Scope(), 1000)
    return len(words), len(views.vectors.search(CONTEXT, QUERY, Scope(), 1000)), len(views.catalogue)


async def test_a_real_table_is_followed(tmp_path: Path) -> None:
    storage = LanceStorage(str(tmp_path / "tables"), {}, LocalBlobStore(tmp_path), writes=True)
    await storage.open(StoreIdentity("tiny", 8))
    follower = make_follower(storage)
    assert follower.version is None
    await storage.add_entries([make_entry(place) for place in range(4)])
    assert await follower.catch_up() == 4
    assert seen(follower) == (4, 4, 4)
    await storage.add_entries([make_entry(place) for place in range(3, 6)])
    assert await follower.catch_up() == 2
    assert seen(follower) == (6, 6, 6)
    assert await follower.catch_up() == 0
    await storage.close()


async def test_only_what_changed_is_read_again() -> None:
    table = Rows([make_entry(0), make_entry(1)])
    follower = make_follower(table)
    await follower.catch_up()
    table.rows += [make_entry(2), "entry-000000"]
    assert await follower.catch_up() == 2
    assert table.reads == [None, 2]
    assert seen(follower) == (2, 2, 2)
    assert (follower.version, follower.lag) == (4, 0)


async def test_the_views_of_one_search_stay_together() -> None:
    table = Rows([make_entry(0)])
    follower = make_follower(table)
    await follower.catch_up()
    views = follower.views
    table.rows.append(make_entry(1))
    await follower.catch_up()
    assert views.version == 1
    assert len(views.lexical.search(CONTEXT, ("text",), Scope(), 9)) == 1
    assert len(views.vectors.search(CONTEXT, QUERY, Scope(), 9)) == 1


async def test_the_service_s_own_rows_and_upkeep_change_nothing_for_users() -> None:
    table = Rows([make_entry(0)])
    follower = make_follower(table)
    removed: list[int | None] = []
    follower.on_removed = lambda: removed.append(follower.version)
    await follower.catch_up()
    own = make_entry(7, user_id=CANARY_USER)
    for change in (own, own.entry.entry_id):
        table.rows.append(change)
        await follower.catch_up()
    assert (follower.version, follower.views.content, len(follower.views.catalogue)) == (3, 1, 1)
    assert removed == []
    table.rows += [own, "entry-000000"]
    await follower.catch_up()
    assert (follower.version, follower.views.content) == (5, 5)
    assert removed == [5]
    table.rows += [make_entry(place, user_id=CANARY_USER) for place in range(10, 11 + OWN_ROWS)]
    await follower.catch_up()
    assert follower.views.content == follower.version


async def test_a_broken_index_is_built_anew_from_the_whole_table() -> None:
    table = Rows([make_entry(0)])
    lexical = BreakableIndex()
    follower = make_follower(table, lexical)
    await follower.catch_up()
    table.rows += [make_entry(1), "entry-000000"]
    lexical.failures = 1
    assert await follower.catch_up() == 1
    assert table.reads == [None, 1, None]
    assert seen(follower) == (1, 1, 1)


async def test_an_index_that_stays_broken_is_reported_and_searches_go_on() -> None:
    table = Rows([make_entry(0)])
    lexical = BreakableIndex()
    follower = make_follower(table, lexical)
    await follower.catch_up()
    table.rows.append(make_entry(1))
    lexical.failures = 2
    with pytest.raises(IndexBrokenError):
        await follower.catch_up()
    assert len(follower.views.vectors.search(CONTEXT, QUERY, Scope(), 9)) == 1
    assert follower.lag == 0
    await follower.catch_up()
    assert seen(follower) == (2, 2, 2)


async def test_a_table_that_cannot_be_read_is_tried_again_from_the_same_version() -> None:
    table = Rows([make_entry(0)])
    follower = make_follower(table)
    await follower.catch_up()
    table.rows.append(make_entry(1))
    table.failures.append(StorageUnavailableError("the bucket does not answer"))
    with pytest.raises(StorageUnavailableError):
        await follower.catch_up()
    assert await follower.catch_up() == 1
    assert table.reads == [None, 1, 1]


async def test_calls_at_the_same_time_take_over_each_change_once() -> None:
    table = Rows([make_entry(place) for place in range(5)])
    follower = make_follower(table)
    counts = await asyncio.gather(*(follower.catch_up() for _ in range(5)))
    assert sorted(counts) == [0, 0, 0, 0, 5]
    assert seen(follower) == (5, 5, 5)

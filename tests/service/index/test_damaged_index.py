"""A lexical index whose files were damaged, at the start and while it is searched; real tantivy, real files."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from simplemem_service.index.base import CONTEXT, Scope
from simplemem_service.index.catalogue import Catalogue
from simplemem_service.index.follow import Follower
from simplemem_service.index.tantivy_files import check_files
from simplemem_service.index.tantivy_index import TantivyIndex
from simplemem_service.index.vector_index import VectorIndex
from simplemem_service.models.entry import EmbeddedEntry
from simplemem_service.storage.base import Changes
from tests.support.entries import make_entry

ROWS = [make_entry(number, text=f"parcel{number} arrived at shelf{number % 7}") for number in range(600)]
WANTED = "entry-000042"


class Table:
    """A table that never changes."""

    def __init__(self) -> None:
        self.whole_reads = 0

    async def read_changes(self, since: int | None) -> Changes:
        is_new = since is None
        self.whole_reads += is_new
        rows: list[EmbeddedEntry] = ROWS if is_new else []
        return Changes(version=1, upserted=rows, deleted=(), is_complete=is_new)


def follow(folder: Path) -> tuple[Follower, Table]:
    table = Table()
    return Follower(table, TantivyIndex(folder), VectorIndex(), Catalogue()), table


def search(follower: Follower) -> list[str]:
    return list(follower.views.lexical.search(CONTEXT, ["parcel42"], Scope(), 1))


def segment_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.*") if path.is_file() and path.suffix not in (".json", ".lock")]


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(random.Random(7).randbytes(path.stat().st_size))  # noqa: S311 - repeatable damage, no secret


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [overwrite, cut, Path.unlink], ids=["overwritten", "cut", "gone"])
async def test_an_index_that_is_damaged_at_the_start_is_built_anew(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    first, _ = follow(tmp_path)
    await first.catch_up()
    assert search(first) == [WANTED]
    del first
    for path in segment_files(tmp_path):
        damage(path)
    again, _ = follow(tmp_path)
    await again.catch_up()
    assert search(again) == [WANTED]


async def test_one_changed_byte_is_seen_at_the_start(tmp_path: Path) -> None:
    first, _ = follow(tmp_path)
    await first.catch_up()
    path = max(segment_files(tmp_path), key=lambda one: one.stat().st_size)
    place = path.parent
    check_files(place)
    (place / "0123456789abcdef0123456789abcdef.idx").write_bytes(b"left by a process that was killed")
    check_files(place)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(OSError, match=f"'{path.name}' does not match its checksum"):
        check_files(place)


async def test_damage_in_a_running_index_costs_words_only_until_it_is_rebuilt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    follower, table = follow(tmp_path)
    await follower.catch_up()
    for path in segment_files(tmp_path):
        overwrite(path)
    assert search(follower) == []
    assert search(follower) == []
    assert [record.message for record in caplog.records] == [
        "lexical index damaged; answers are by meaning alone until it is rebuilt"
    ]
    former = follower.views.lexical
    await follower.catch_up()
    assert table.whole_reads == 2
    assert search(follower) == [WANTED]
    assert list(former.search(CONTEXT, ["parcel42"], Scope(), 1)) == []
    await asyncio.gather(follower.catch_up(), follower.catch_up())
    assert table.whole_reads == 2, "what an older snapshot finds makes nobody build again"

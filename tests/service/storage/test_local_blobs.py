"""Blobs in a folder: durable, create-only, honest about a volume that refuses."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.storage.local_blobs import STALE_TEMPORARY_SECONDS, LocalBlobStore
from tests.support.volumes import small_volume


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "store")


@pytest.fixture
def full_volume(tmp_path: Path) -> Iterator[Path]:
    with small_volume(tmp_path / "volume", size="64k") as folder:
        yield folder


async def test_what_was_put_is_read_back_by_another_process_s_eyes(blobs: LocalBlobStore, tmp_path: Path) -> None:
    assert await blobs.put_new("a/b", b"bytes")
    assert (tmp_path / "store" / "a" / "b").read_bytes() == b"bytes"
    assert await blobs.get("a/b") == b"bytes"
    assert await blobs.get("a/c") is None


async def test_a_taken_name_keeps_its_first_bytes(blobs: LocalBlobStore) -> None:
    assert await blobs.put_new("name", b"first")
    assert not await blobs.put_new("name", b"second")
    assert await blobs.get("name") == b"first"


async def test_of_many_writers_of_one_name_exactly_one_wins(blobs: LocalBlobStore) -> None:
    won = await asyncio.gather(*(blobs.put_new("name", str(n).encode()) for n in range(20)))
    assert sum(won) == 1
    assert await blobs.get("name") == str(won.index(True)).encode()


async def test_names_are_listed_in_order_without_temporary_files(blobs: LocalBlobStore, tmp_path: Path) -> None:
    for name in ("x/b", "x/a", "y/c"):
        await blobs.put_new(name, b"")
    assert await blobs.list_names("x") == ["a", "b"]
    assert await blobs.list_names("nowhere") == []
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


async def test_deleting_twice_is_no_error(blobs: LocalBlobStore) -> None:
    await blobs.put_new("name", b"bytes")
    await blobs.delete("name")
    await blobs.delete("name")
    assert await blobs.get("name") is None


async def test_a_full_volume_is_told_and_leaves_nothing_behind(full_volume: Path) -> None:
    blobs = LocalBlobStore(full_volume / "store")
    await blobs.put_new("small", b"kept")
    with pytest.raises(StorageUnavailableError, match="No space left"):
        await blobs.put_new("large", os.urandom(200_000))
    with pytest.raises(OSError, match="No space left"):
        (full_volume / "filler").write_bytes(os.urandom(200_000))
    with pytest.raises(StorageUnavailableError, match="No space left"):
        await blobs.check()
    (full_volume / "filler").unlink()
    await blobs.check()
    assert await blobs.get("large") is None
    assert list((full_volume / "store" / "tmp").iterdir()) == []
    assert await blobs.get("small") == b"kept"


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailableError, match="Not a directory"):
        await LocalBlobStore(tmp_path / "file" / "store").put_new("name", b"")


async def test_leftovers_of_a_crash_are_removed_and_fresh_ones_are_not(tmp_path: Path) -> None:
    temporary = tmp_path / "store" / "tmp"
    temporary.mkdir(parents=True)
    for name, age in (("old", STALE_TEMPORARY_SECONDS + 60), ("fresh", 0)):
        (temporary / name).write_bytes(b"half")
        then = (temporary / name).stat().st_mtime - age
        os.utime(temporary / name, (then, then))
    await LocalBlobStore(tmp_path / "store").put_new("name", b"")
    assert [path.name for path in temporary.iterdir()] == ["fresh"]


async def test_the_size_counts_files_at_every_depth_but_no_temporary_ones(
    blobs: LocalBlobStore, tmp_path: Path
) -> None:
    await blobs.put_new("a/b/c", b"12345")
    await blobs.put_new("d", b"123")
    (tmp_path / "store" / "tmp" / "half").write_bytes(b"1234567")
    assert await blobs.size_bytes() == 8


async def test_old_names_are_told_from_new_ones(blobs: LocalBlobStore, tmp_path: Path) -> None:
    for name in ("new", "old"):
        await blobs.put_new(f"folder/{name}", b"")
    hour_ago = (tmp_path / "store" / "folder" / "old").stat().st_mtime - 3600
    os.utime(tmp_path / "store" / "folder" / "old", (hour_ago, hour_ago))
    assert await blobs.list_older("folder", timedelta(minutes=59)) == ["old"]
    assert await blobs.list_older("folder", timedelta(0)) == ["new", "old"]
    assert await blobs.list_older("nowhere", timedelta(0)) == []


async def test_what_others_wrote_is_synced_or_said_to_be_impossible(blobs: LocalBlobStore, tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailableError, match="No such file"):
        await blobs.sync()
    await blobs.put_new("name", b"")
    await blobs.sync()
    assert await blobs.get("name") == b""


async def test_a_name_is_given_after_its_bytes_are_synced_and_told_after_the_folder_is(
    blobs: LocalBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await blobs.put_new("journal/first", b"makes the folders")
    steps: list[tuple[str, str]] = []
    fsync, link = os.fsync, os.link

    def watched_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append(("sync", "bytes" if path.parent.name == "tmp" else path.name))
        if path.parent.name == "tmp":
            assert path.read_bytes() == b"whole"
        fsync(descriptor)

    def watched_link(source: Path, target: Path) -> None:
        steps.append(("link", target.name))
        link(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "link", watched_link)
    assert await blobs.put_new("journal/second", b"whole")
    assert steps == [("sync", "bytes"), ("link", "second"), ("sync", "journal")]
    assert (tmp_path / "store" / "journal" / "second").read_bytes() == b"whole"

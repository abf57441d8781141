"""Replies paid for: durable, by person, bounded."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.llm import cache as module
from simplemem_service.llm.cache import BlobCache, owner_of
from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.storage.s3_blobs import S3BlobStore
from tests.support.bucket import BucketServer


class Clock:
    def __init__(self, year: int, month: int) -> None:
        self.now = datetime(year, month, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn_to(self, year: int, month: int) -> None:
        self.now = datetime(year, month, 15, tzinfo=UTC)


class RefusingBlobs(LocalBlobStore):
    """Always refuses."""

    async def get(self, name: str) -> bytes | None:
        raise StorageUnavailableError(f"the data folder refuses {name}")

    async def list_names(self, folder: str) -> list[str]:
        raise StorageUnavailableError(f"the data folder refuses {folder}")


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("llm-cache/*/*"))


async def test_a_reply_is_found_this_month_and_the_next_and_then_removed(tmp_path: Path) -> None:
    clock = Clock(2025, 11)
    cache = BlobCache(LocalBlobStore(tmp_path), clock=clock)
    await cache.put("ada-1", b"one")
    clock.turn_to(2025, 12)
    assert await cache.get("ada-1") == b"one"
    clock.turn_to(2026, 1)
    assert await cache.get("ada-1") is None
    await cache.put("ada-2", b"two")
    assert kept(tmp_path) == ["ada-2"]


async def test_no_more_is_kept_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REPLIES", 2)
    for key in ("ada-1", "ada-2", "ada-3"):
        await BlobCache(LocalBlobStore(tmp_path), clock=Clock(2026, 3)).put(key, b"reply")
    assert kept(tmp_path) == ["ada-1", "ada-2"]


async def test_a_storage_that_refuses_costs_no_more_than_the_cache(tmp_path: Path) -> None:
    cache = BlobCache(RefusingBlobs(tmp_path))
    await cache.put("ada-1", b"one")
    assert await cache.get("ada-1") is None
    with pytest.raises(StorageUnavailableError):
        await cache.forget_user("ada")


async def test_a_bucket_keeps_and_forgets_replies(bucket: BucketServer) -> None:
    cache = BlobCache(S3BlobStore(bucket.place("llm-cache")))
    ada, bob = (f"{owner_of(user)}-1" for user in ("ada", "bob"))
    await cache.put(ada, b"one")
    await cache.put(bob, b"two")
    assert await cache.get(ada) == b"one"
    await cache.forget_user("ada")
    assert (await cache.get(ada), await cache.get(bob)) == (None, b"two")

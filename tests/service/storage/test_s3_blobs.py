"""Blobs in a bucket, against a real S3 server."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from simplemem_service.errors import CarelessBucketError, StorageUnavailableError
from simplemem_service.storage.s3_blobs import S3BlobStore
from tests.support.bucket import BucketServer, set_credentials
from tests.support.careless_bucket import careless_bucket
from tests.support.stores import make_store


@pytest.fixture
def blobs(bucket: BucketServer) -> S3BlobStore:
    return S3BlobStore(bucket.place(uuid.uuid4().hex))


async def test_what_was_put_is_read_back(blobs: S3BlobStore) -> None:
    assert await blobs.put_new("a/b", b"bytes")
    assert await blobs.get("a/b") == b"bytes"
    assert await blobs.get("a/c") is None
    await blobs.delete("a/b")
    await blobs.delete("a/b")
    assert await blobs.get("a/b") is None


async def test_a_taken_name_keeps_its_first_bytes(blobs: S3BlobStore) -> None:
    assert await blobs.put_new("name", b"first")
    assert not await blobs.put_new("name", b"second")
    assert await blobs.get("name") == b"first"


async def test_a_repeated_put_of_the_same_bytes_succeeds(blobs: S3BlobStore) -> None:
    # As after a lost answer: the client cannot know that its first try arrived.
    assert await blobs.put_new("name", b"same")
    assert await blobs.put_new("name", b"same")


async def test_of_many_writers_of_one_name_exactly_one_wins(blobs: S3BlobStore) -> None:
    won = await asyncio.gather(*(blobs.put_new("name", str(n).encode()) for n in range(10)))
    assert sum(won) == 1


async def test_names_are_listed_in_order_beyond_one_page(blobs: S3BlobStore) -> None:
    names = [f"{n:04d}" for n in range(1010)]
    for start in range(0, len(names), 101):
        await asyncio.gather(*(blobs.put_new(f"x/{name}", b"") for name in names[start : start + 101]))
    assert await blobs.list_names("x") == names
    assert await blobs.list_names("nowhere") == []


async def test_the_size_counts_objects_but_no_probes(blobs: S3BlobStore) -> None:
    await blobs.put_new("a/b", b"12345")
    await blobs.put_new("probe/c", b"123")
    assert await blobs.size_bytes() == 5


async def test_a_write_on_condition_needs_the_version_seen(blobs: S3BlobStore) -> None:
    first = await blobs.put_if("lock", b"1", None)
    assert first is not None
    assert await blobs.put_if("lock", b"2", None) is None
    second = await blobs.put_if("lock", b"2", first)
    assert second == await blobs.version("lock")
    assert await blobs.put_if("lock", b"3", first) is None
    assert await blobs.version("none") is None


async def test_a_bucket_with_conditional_writes_passes_and_keeps_no_probe(blobs: S3BlobStore) -> None:
    await blobs.check_conditions()
    assert await blobs.list_all(without=frozenset()) == []


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
async def test_a_bucket_without_conditional_writes_is_refused(header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_credentials(monkeypatch)
    with careless_bucket(ignored=frozenset({header.lower()})) as endpoint:
        s3 = make_store(storage={"s3": {"bucket": "memories", "endpoint": endpoint}}).storage.s3
        assert s3 is not None
        with pytest.raises(CarelessBucketError, match=f"bucket 'memories' ignores the header {header}:"):
            await S3BlobStore(s3).check_conditions()


async def test_a_missing_bucket_is_told(bucket: BucketServer) -> None:
    blobs = S3BlobStore(bucket.place("p", bucket="missing"))
    for call in (blobs.check(), blobs.get("name"), blobs.put_new("name", b""), blobs.list_names("x")):
        with pytest.raises(StorageUnavailableError, match="bucket 'missing' refuses"):
            await call


async def test_wrong_credentials_are_told_without_showing_them(
    bucket: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret-value")
    with pytest.raises(StorageUnavailableError, match="refuses") as caught:
        await S3BlobStore(bucket.place("p")).check()
    assert "wrong-secret-value" not in str(caught.value)


async def test_a_server_that_is_away_is_told_and_used_again_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_credentials(monkeypatch)
    server = BucketServer(tmp_path)
    blobs = S3BlobStore(server.place("p"))
    with pytest.raises(StorageUnavailableError, match="error sending request"):
        await blobs.check()
    server.start()
    try:
        await blobs.check()
        assert await blobs.put_new("name", b"bytes")
    finally:
        server.stop()


async def test_old_names_are_told_from_new_ones(blobs: S3BlobStore) -> None:
    await blobs.put_new("folder/name", b"")
    await blobs.sync()
    assert await blobs.list_older("folder", timedelta(hours=1)) == []
    assert await blobs.list_older("folder", timedelta(seconds=-60)) == ["name"]

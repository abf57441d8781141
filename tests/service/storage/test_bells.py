"""A bell in a bucket: heard once by each who looks, and made good where it was not."""

from __future__ import annotations

import asyncio

import pytest

from simplemem_service.storage.bells import UNHEARD, AlwaysRinging, BucketBell
from simplemem_service.storage.s3_blobs import S3BlobStore
from tests.support.bucket import BucketServer


async def heard(bell: BucketBell) -> bool:
    """Whether a bell is heard within some time; who rings does not wait."""
    for _ in range(100):
        if await bell.has_rung():
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_bell_is_heard_once_by_each_who_looks(bucket: BucketServer) -> None:
    blobs = S3BlobStore(bucket.place("heard-once"))
    ringer = BucketBell(blobs, "bells/tables", lambda: 0.0)
    listeners = [BucketBell(blobs, "bells/tables", lambda: 0.0) for _ in range(2)]
    for bell in listeners:
        # What came before the first look is not known.
        assert await bell.has_rung()
        assert not await bell.has_rung()
    for _ in range(2):
        ringer.ring()
        for bell in listeners:
            assert await heard(bell)
            assert not await bell.has_rung()


async def test_rings_at_once_are_one_or_two(bucket: BucketServer) -> None:
    blobs = S3BlobStore(bucket.place("coalesced"))
    before = len(bucket.requests())
    bell = BucketBell(blobs, "bells/tables")
    for _ in range(50):
        bell.ring()
    await asyncio.sleep(0.3)
    puts = [call for call, name in bucket.requests()[before:] if call == "s3_PutObject" and "coalesced" in name]
    assert 1 <= len(puts) <= 2


async def test_what_no_bell_told_of_is_looked_for_all_the_same(bucket: BucketServer) -> None:
    now = 100.0
    bell = BucketBell(S3BlobStore(bucket.place("unheard")), "bells/tables", lambda: now)
    assert await bell.has_rung()
    now += UNHEARD.total_seconds() - 1
    assert not await bell.has_rung()
    now += 1
    assert await bell.has_rung()
    assert not await bell.has_rung()


async def test_a_bell_that_cannot_be_rung_is_tried_anew_each_time(
    bucket: BucketServer, caplog: pytest.LogCaptureFixture
) -> None:
    def failures() -> int:
        return sum(record.message == "bell not rung" for record in caplog.records)

    caplog.set_level("DEBUG", logger="simplemem_service")
    bell = BucketBell(S3BlobStore(bucket.place("nowhere", bucket="no-such-bucket")), "bells/tables")
    for times in (1, 2):
        bell.ring()
        async with asyncio.timeout(20):
            while failures() < times:
                await asyncio.sleep(0.01)
        assert failures() == times


async def test_a_volume_always_rings() -> None:
    bell = AlwaysRinging()
    bell.ring()
    assert await bell.has_rung()
    assert await bell.has_rung()

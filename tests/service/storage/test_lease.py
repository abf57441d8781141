"""One writer at a time, on a volume and in a bucket."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from simplemem_service.constants import LEASE_EXPIRY
from simplemem_service.errors import LeaseLostError
from simplemem_service.storage.lease import BucketLease, FileLease
from simplemem_service.storage.s3_blobs import S3BlobStore
from tests.support.bucket import BucketServer


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_volume_has_one_writer_and_the_next_follows_its_end(tmp_path: Path) -> None:
    first, second = FileLease(tmp_path / "data"), FileLease(tmp_path / "data")
    assert await first.try_acquire()
    assert await first.try_acquire()
    assert not await second.try_acquire()
    with pytest.raises(LeaseLostError):
        second.check()
    first.check()
    await first.release()
    assert await second.try_acquire()
    second.check()
    await second.release()


async def test_a_bucket_s_writer_is_left_alone_while_it_renews(bucket: BucketServer) -> None:
    blobs, clock = S3BlobStore(bucket.place(uuid.uuid4().hex)), Clock()
    first, second = BucketLease(blobs, clock), BucketLease(blobs, clock)
    assert await first.try_acquire()
    for _ in range(5):
        assert not await second.try_acquire()
        clock.now += LEASE_EXPIRY.total_seconds() - 1
        assert await first._write(first._held, first._holder)
    first.check()
    await first.release()
    assert await second.try_acquire()
    await second.release()


async def test_a_bucket_s_writer_that_is_gone_is_followed_after_the_expiry(bucket: BucketServer) -> None:
    blobs, clock = S3BlobStore(bucket.place(uuid.uuid4().hex)), Clock()
    first, second = BucketLease(blobs, clock), BucketLease(blobs, clock)
    assert await first.try_acquire()
    assert not await second.try_acquire()
    clock.now += LEASE_EXPIRY.total_seconds()
    assert await second.try_acquire()
    with pytest.raises(LeaseLostError, match="another process took over"):
        first.check()
    assert not await first.try_acquire()
    await first.release()
    second.check()
    await second.release()


async def test_a_writer_stops_before_others_may_begin(bucket: BucketServer) -> None:
    blobs, clock = S3BlobStore(bucket.place(uuid.uuid4().hex)), Clock()
    lease = BucketLease(blobs, clock)
    assert await lease.try_acquire()
    lease.check()
    clock.now += LEASE_EXPIRY.total_seconds() - 1
    with pytest.raises(LeaseLostError):
        lease.check()
    await lease.release()


async def test_of_two_that_take_over_at_once_one_wins(bucket: BucketServer) -> None:
    blobs, clock = S3BlobStore(bucket.place(uuid.uuid4().hex)), Clock()
    leases = [BucketLease(blobs, clock) for _ in range(3)]
    assert await leases[0].try_acquire()
    for lease in leases[1:]:
        assert not await lease.try_acquire()
    clock.now += LEASE_EXPIRY.total_seconds()
    assert [await lease.try_acquire() for lease in leases[1:]] == [True, False]
    for lease in leases:
        await lease.release()


async def test_a_write_whose_answer_got_lost_is_taken_up_again(bucket: BucketServer) -> None:
    lease = BucketLease(S3BlobStore(bucket.place(uuid.uuid4().hex)), Clock())
    assert await lease.try_acquire()
    lease._held = None
    assert await lease.try_acquire()
    lease.check()
    await lease.release()

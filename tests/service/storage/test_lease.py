"""One writer at a time, on a volume and in a bucket."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from simplemem_service.constants import LEASE_EXPIRY, LEASE_RENEWAL, LEASE_REST_EXPIRY
from simplemem_service.errors import LeaseLostError, StorageUnavailableError
from simplemem_service.storage.lease import LEASE_NAME, NOBODY, BucketLease, FileLease
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


async def renew(lease: BucketLease) -> bool:
    """A look at whether the lease is due, as its task takes one every three seconds; whether it was."""
    return lease._is_due() and await lease._write(lease._held, lease._holder)


async def test_a_writer_that_rests_renews_less_often_and_others_wait_longer(bucket: BucketServer) -> None:
    blobs, clock = S3BlobStore(bucket.place(uuid.uuid4().hex)), Clock()
    first, second = BucketLease(blobs, clock), BucketLease(blobs, clock)
    assert await first.try_acquire()
    renewals = 0
    for _ in range(100):
        clock.now += LEASE_RENEWAL.total_seconds()
        renewals += await renew(first)
        assert not await second.try_acquire()
    # Every three seconds for twenty, then every twenty or so.
    assert renewals == 7 + 13
    assert await first._write(first._held, first._holder)
    assert not await second.try_acquire()
    clock.now += LEASE_REST_EXPIRY.total_seconds() - 1
    assert not await second.try_acquire()
    clock.now += 1
    with pytest.raises(LeaseLostError):
        first.check()
    assert await second.try_acquire()
    for lease in (first, second):
        await lease.release()


async def test_a_writer_that_has_work_again_is_followed_soon(bucket: BucketServer) -> None:
    blobs, clock = S3BlobStore(bucket.place(uuid.uuid4().hex)), Clock()
    first, second = BucketLease(blobs, clock), BucketLease(blobs, clock)
    assert await first.try_acquire()
    while not first._is_resting():
        assert await renew(first)
        clock.now += LEASE_RENEWAL.total_seconds()
    assert await renew(first)
    assert not await renew(first)
    first.check()
    assert await renew(first)
    assert not await second.try_acquire()
    clock.now += LEASE_EXPIRY.total_seconds()
    with pytest.raises(LeaseLostError):
        first.check()
    assert await second.try_acquire()
    for lease in (first, second):
        await lease.release()


async def test_a_renewal_without_an_answer_counts_as_one_that_arrived(
    bucket: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs, clock = S3BlobStore(bucket.place(uuid.uuid4().hex)), Clock()
    first, second = BucketLease(blobs, clock), BucketLease(blobs, clock)
    assert await first.try_acquire()
    for _ in range(8):
        clock.now += LEASE_RENEWAL.total_seconds()
        await renew(first)
    first.check()
    put_if = blobs.put_if

    async def put_without_an_answer(name: str, data: bytes, version: str | None) -> str | None:
        await put_if(name, data, version)
        raise StorageUnavailableError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(blobs, "put_if", put_without_an_answer)
        with pytest.raises(StorageUnavailableError):
            await renew(first)
    assert not await second.try_acquire()
    clock.now += LEASE_EXPIRY.total_seconds()
    with pytest.raises(LeaseLostError):
        first.check()
    assert await second.try_acquire()
    for lease in (first, second):
        await lease.release()


@pytest.mark.parametrize(("holder", "seconds"), [("ab" * 16, LEASE_EXPIRY.total_seconds()), (NOBODY, 0.0)])
async def test_a_lease_that_tells_no_expiry_is_taken_over_after_the_shorter_one(
    bucket: BucketServer, holder: str, seconds: float
) -> None:
    blobs, clock = S3BlobStore(bucket.place(uuid.uuid4().hex)), Clock()
    await blobs.put_if(LEASE_NAME, json.dumps({"holder": holder, "renewals": "000000000007"}).encode(), None)
    lease = BucketLease(blobs, clock)
    assert await lease.try_acquire() == (seconds == 0)
    clock.now += seconds
    assert await lease.try_acquire()
    await lease.release()

"""Spending: durable, summed over processes, a month at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.llm.ledger import Ledger, Usage
from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.storage.s3_blobs import S3BlobStore
from tests.support.bucket import BucketServer

MARCH = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)
CALL = Usage(calls=1, input_tokens=1000, output_tokens=100, usd=0.25)


class Clock:
    def __init__(self) -> None:
        self.now = MARCH

    def __call__(self) -> datetime:
        return self.now


class RefusingBlobs(LocalBlobStore):
    """Refuses while told to."""

    refuses = False

    async def put_new(self, name: str, data: bytes) -> bool:
        if self.refuses:
            raise StorageUnavailableError("the data folder refuses: full")
        return await super().put_new(name, data)

    async def list_names(self, folder: str) -> list[str]:
        if self.refuses:
            raise StorageUnavailableError("the data folder refuses: gone")
        return await super().list_names(folder)


async def test_spending_survives_the_process(tmp_path: Path) -> None:
    first = Ledger(LocalBlobStore(tmp_path), "pod", clock=Clock())
    for _ in range(3):
        await first.record("haiku", CALL)
    await first.record("nano", CALL)
    again = Ledger(LocalBlobStore(tmp_path), "pod", clock=Clock())
    await again.record("haiku", CALL)
    assert await again.totals() == {"haiku": Usage(4, 4000, 400, 1.0), "nano": CALL}


async def test_one_object_is_kept_for_each_process(tmp_path: Path) -> None:
    ledger = Ledger(LocalBlobStore(tmp_path), "notes-ingest-7d9f", clock=Clock())
    for _ in range(5):
        await ledger.record("haiku", CALL)
    [path] = (tmp_path / "spend" / "2026-03").iterdir()
    assert path.name.startswith("notes-ingest-7d9f-")


async def test_a_new_month_starts_from_nothing(tmp_path: Path) -> None:
    clock = Clock()
    ledger = Ledger(LocalBlobStore(tmp_path), "pod", clock=clock)
    await ledger.record("haiku", CALL)
    clock.now += timedelta(minutes=1)
    assert await ledger.totals() == {}
    await ledger.record("haiku", CALL)
    assert (ledger.month, await ledger.totals()) == ("2026-04", {"haiku": CALL})


async def test_what_could_not_be_written_is_written_with_the_next_call(tmp_path: Path) -> None:
    blobs = RefusingBlobs(tmp_path)
    ledger = Ledger(blobs, "pod", clock=Clock())
    blobs.refuses = True
    await ledger.record("haiku", CALL)
    blobs.refuses = False
    await ledger.record("haiku", CALL)
    assert await Ledger(LocalBlobStore(tmp_path), "pod", clock=Clock()).totals() == {"haiku": CALL + CALL}


async def test_a_budget_is_not_forgotten_while_the_storage_is_away(tmp_path: Path) -> None:
    blobs = RefusingBlobs(tmp_path)
    blobs.refuses = True
    with pytest.raises(StorageUnavailableError):
        await Ledger(blobs, "pod", clock=Clock()).totals()


async def test_a_damaged_object_counts_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "spend" / "2026-03"
    folder.mkdir(parents=True)
    (folder / "pod-1.000000001.json").write_bytes(b'{"haiku": {"usd"')
    assert await Ledger(LocalBlobStore(tmp_path), "pod", clock=Clock()).totals() == {}


async def test_pods_of_a_bucket_are_summed(bucket: BucketServer) -> None:
    place = bucket.place("ledger")
    ingest, retrieval = (Ledger(S3BlobStore(place), pod, clock=Clock()) for pod in ("ingest", "retrieval"))
    await ingest.record("haiku", CALL)
    await ingest.record("haiku", CALL)
    await retrieval.record("nano", CALL)
    assert await retrieval.totals() == {"haiku": CALL + CALL, "nano": CALL}

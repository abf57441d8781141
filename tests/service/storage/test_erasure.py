"""What a deleted store left in its bucket goes, and nothing else, on a real S3 server."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest
import yaml
from obstore.store import S3Store

from simplemem_api.resolved import ResolvedS3
from simplemem_service import erasure
from simplemem_service.erasure import Eraser, place_to_erase
from simplemem_service.errors import ConfigError, ConflictError, LeaseLostError, StorageUnavailableError
from simplemem_service.storage.lease import BucketLease
from simplemem_service.storage.s3_blobs import S3BlobStore, create_s3_store
from tests.support.bucket import BUCKET, BucketServer
from tests.support.server import ROOT, Starter, eventually
from tests.support.stores import make_manifest, make_store


@pytest.fixture
def place(bucket: BucketServer) -> ResolvedS3:
    return bucket.place(uuid.uuid4().hex)


async def put(s3: ResolvedS3, *names: str) -> None:
    store = create_s3_store(s3)
    for name in names:
        await obstore.put_async(store, name, b"x")


def listed(s3: ResolvedS3) -> list[str]:
    store: S3Store = create_s3_store(s3)
    return sorted(item["path"] for chunk in obstore.list(store) for item in chunk)


def spec_of(bucket: BucketServer, prefix: str, policy: str = "Delete") -> dict[str, Any]:
    s3 = {"bucket": BUCKET, "prefix": prefix, "endpoint": bucket.endpoint}
    return {"storage": {"s3": s3, "deletionPolicy": policy}}


async def test_all_of_the_store_goes_beyond_one_page_and_nothing_beside_it(place: ResolvedS3) -> None:
    beside = place.model_copy(update={"prefix": f"{place.prefix}-2"})
    within = place.model_copy(update={"prefix": f"{place.prefix}/team-a/notes"})
    await put(place, "identity.json", "tables/entries.lance/data/0.lance", "canary/1", "report.csv")
    await put(place, *(f"journal/done/{number:04d}" for number in range(1010)))
    await put(beside, "identity.json")
    await put(within, "identity.json", "journal/open/1")
    erased = await Eraser(place).erase()
    assert (erased.removed, sorted(erased.left)) == (
        1013,
        ["report.csv", "team-a/notes/identity.json", "team-a/notes/journal/open/1"],
    )
    assert listed(beside) == ["identity.json"]
    assert listed(within) == ["identity.json", "journal/open/1"]
    assert (await Eraser(place).erase()).removed == 0


async def test_a_bucket_that_is_gone_holds_nothing(bucket: BucketServer) -> None:
    gone = bucket.place("notes").model_copy(update={"bucket": "no-such-bucket"})
    assert (await Eraser(gone).erase()).removed == 0


async def test_a_bucket_that_refuses_is_named(place: ResolvedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageUnavailableError, match=f"s3://{BUCKET}/{place.prefix}: the bucket refuses"):
        await Eraser(place).erase()


async def test_a_store_that_is_being_written_stays(place: ResolvedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "LEASE_EXPIRY", timedelta(seconds=0.5))
    monkeypatch.setattr(BucketLease, "outlives", timedelta(0))
    await put(place, "identity.json")
    writer = BucketLease(S3BlobStore(place))
    assert await writer.try_acquire()
    with pytest.raises(ConflictError, match="a process writes this store; nothing was removed"):
        await Eraser(place).erase()
    assert "identity.json" in listed(place)
    await writer.release()
    assert (await Eraser(place).erase()).removed == 1
    assert listed(place) == []


async def test_a_run_that_loses_its_right_to_write_stops(place: ResolvedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(place, "identity.json")
    eraser = Eraser(place)

    def lost(_: BucketLease) -> None:
        raise LeaseLostError("taken over")

    monkeypatch.setattr(BucketLease, "check", lost)
    with pytest.raises(LeaseLostError):
        await eraser.erase()
    assert "identity.json" in listed(place)


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ({"pvc": {}, "deletionPolicy": "Delete"}, "its data is not in a bucket"),
        ({"s3": {"bucket": "memories"}}, "deletionPolicy is Retain; it must be Delete"),
        ({"s3": {"bucket": "memories", "prefix": "a/../b"}, "deletionPolicy": "Delete"}, "the prefix is 'a/../b'"),
        ({"s3": {"bucket": "memories", "prefix": "a//b"}, "deletionPolicy": "Delete"}, "the prefix is 'a//b'"),
    ],
)
def test_only_a_folder_of_a_bucket_under_delete_may_go(storage: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match="MemoryStore team-a/notes") as raised:
        place_to_erase(make_store(storage=storage))
    assert words in str(raised.value)


def test_an_empty_prefix_is_refused() -> None:
    store = make_store(storage={"s3": {"bucket": "memories"}, "deletionPolicy": "Delete"})
    assert store.storage.s3 is not None
    whole = store.storage.s3.model_copy(update={"prefix": ""})
    storage = store.storage.model_copy(update={"s3": whole})
    with pytest.raises(ConfigError, match="so that no bucket is emptied"):
        place_to_erase(store.model_copy(update={"storage": storage}))


def run(tmp_path: Path, spec: dict[str, Any], name: str = "team-a/notes") -> subprocess.CompletedProcess[str]:
    path = tmp_path / "erase.yaml"
    path.write_text(yaml.safe_dump(make_manifest(**spec)))
    command = [sys.executable, "-m", "simplemem_service", "erase", "-f", str(path), "--store", name]
    paths = os.pathsep.join(str(ROOT / part) for part in ("crds", "service"))
    environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_a_real_store_leaves_nothing_behind(make_server: Starter, bucket: BucketServer, tmp_path: Path) -> None:
    spec = spec_of(bucket, f"real/{uuid.uuid4().hex}")
    server = make_server(tmp_path / "service", {"SIMPLEMEM_CANARY_SECONDS": "1"}, **spec)
    server.start()
    server.wait_ready()
    with server.client() as client:
        turns = [{"speaker": "Ada", "text": "I keep the parcel in hall 7."}]
        client.post("/v1/turns", json={"turns": turns}).raise_for_status()
        eventually(lambda: client.get("/v1/status").json()["entries"], within=60, what="an entry")
        client.post("/v1/search", json={"query": "Where is the parcel?"}).raise_for_status()
    assert server.stop() == 0
    place = make_store(**spec).storage.s3
    assert place is not None
    assert len(listed(place)) > 10

    assert run(tmp_path, spec, "team-a/other").returncode == 2
    kept = run(tmp_path, spec_of(bucket, place.prefix, "Retain"))
    assert (kept.returncode, "it must be Delete" in kept.stderr) == (2, True)
    assert len(listed(place)) > 10

    done = run(tmp_path, spec)
    assert (done.returncode, listed(place)) == (0, []), done.stderr
    assert f"s3://{BUCKET}/{place.prefix}: " in done.stdout
    assert "stay" not in done.stdout

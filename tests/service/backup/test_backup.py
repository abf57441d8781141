"""Copies of a store on a real S3 server, and the way back into an empty one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from simplemem_api.conditions import Reason
from simplemem_service.backup import restore as restore_module
from simplemem_service.backup.copies import list_copies
from simplemem_service.backup.job import CHECK, refuse_within
from simplemem_service.backup.manifest import BEGUN, MANIFEST, new_copy_id
from simplemem_service.backup.place import CopyPlace
from simplemem_service.backup.records import BackupState
from simplemem_service.errors import BackupError, ConflictError, NotFoundError, StorageUnavailableError
from simplemem_service.models.operation import GivenTurn, Operation
from simplemem_service.storage import maintenance
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.identity import RESTORING, advance_identity, read_identity
from tests.support.backups import Running, restorer
from tests.support.bucket import BUCKET, BucketServer, set_credentials
from tests.support.embedding import DIMENSION
from tests.support.stores import make_store

TALK = (("Ada", "I keep the parcel in hall 7."), ("Ben", "I will fetch it on Friday."), ("Ada", "Ring twice then."))

SECRET = {"SIMPLEMEM_BACKUP_AWS_SECRET_ACCESS_KEY": "own-secret"}


async def _tell(running: Running, told: list[str], stop: asyncio.Event) -> None:
    """Say one turn after another; those acknowledged are told."""
    while not stop.is_set():
        name = f"turn-{len(told)}"
        turn = GivenTurn("Ada", f"Parcel number {len(told)} lies in hall {len(told) % 7}.", name, datetime.now(UTC))
        await running.memory.journal.append(Operation("ada", f"s{len(told) % 5}", (turn,), datetime.now(UTC)))
        told.append(name)
        await asyncio.sleep(0.003)


async def test_a_backup_under_a_stream_of_turns_restores_each_turn_of_its_moment_once(
    tmp_path: Path, place: CopyPlace
) -> None:
    told: list[str] = []
    async with Running(tmp_path / "old", place).writing() as running:
        stop = asyncio.Event()
        stream = asyncio.create_task(_tell(running, told, stop))
        while len(told) < 100:
            await asyncio.sleep(0.01)
        before = set(told)
        backup = await running.back_up()
        assert backup.state is BackupState.SUCCEEDED, backup.error
        stop.set()
        await stream
        await running.drained()
    assert len(told) > len(before), "nothing was said during the backup"
    restore = restorer(tmp_path / "new", place)
    copy = await restore.choose(None)
    await restore.restore(copy)
    async with Running(tmp_path / "new", place).writing() as restored:
        await restored.drained()
        found = await restored.sources()
        assert len(found) == len(set(found)), "a turn is there twice"
        assert before <= set(found) <= set(told)
        assert backup.turns + backup.pending_turns >= len(before)
        # It goes on as any store does.
        await restored.memory.journal.append(
            Operation("ada", "later", (GivenTurn("Ada", "I am back.", "back", datetime.now(UTC)),), datetime.now(UTC))
        )
        await restored.drained()
        assert "back" in await restored.sources()


async def test_what_waits_in_the_journal_is_in_the_copy(tmp_path: Path, place: CopyPlace) -> None:
    running = Running(tmp_path / "old", place)
    # A writer that cannot embed leaves its turns in the journal.
    running.memory.embedding.failures = [StorageUnavailableError("no embedding")] * 1000
    async with running.writing():
        turns = tuple(GivenTurn(name, text, f"t{n}", None) for n, (name, text) in enumerate(TALK))
        operation = await running.memory.journal.append(Operation("ada", "s", turns, datetime.now(UTC)))
        backup = await running.back_up()
        assert (backup.state, backup.turns, backup.pending_turns) == (BackupState.SUCCEEDED, 0, len(TALK))
    restore = restorer(tmp_path / "new", place)
    await restore.restore(await restore.choose(backup.backup_id))
    async with Running(tmp_path / "new", place).writing() as restored:
        await restored.drained()
        assert sorted(set(await restored.sources())) == ["t0", "t1", "t2"]
        assert (await restored.memory.result(operation)).turns == len(TALK)


async def test_versions_go_on_behind_those_of_the_copy(tmp_path: Path, place: CopyPlace) -> None:
    running = Running(tmp_path / "old", place)
    async with running.writing():
        await _say(running)
        before = (await running.memory.storage.read_changes(None)).version
        await running.back_up()
    restore = restorer(tmp_path / "new", place)
    await restore.restore(await restore.choose(None))
    async with Running(tmp_path / "new", place).writing() as restored:
        changes = await restored.memory.storage.read_changes(before)
        assert changes.version > before
        assert changes.is_complete, "an index of before would be taken for up to date"


async def test_a_store_that_moved_to_another_model_comes_back_with_its_generation(
    tmp_path: Path, place: CopyPlace
) -> None:
    running = Running(tmp_path / "old", place)
    async with running.writing():
        pass
    later = StoreIdentity("tiny", DIMENSION, generation=1, table="entries-1-0c0de1ab", base=40, synced=3)
    assert await advance_identity(running.memory.blobs, later)
    moved = Running(tmp_path / "old", place)
    async with moved.writing():
        await _say(moved)
        assert (await moved.back_up()).entries == 3
        version = (await moved.memory.storage.read_changes(None)).version
    restore = restorer(tmp_path / "new", place)
    await restore.restore(await restore.choose(None))
    async with Running(tmp_path / "new", place).writing() as restored:
        identity = restored.memory.storage.identity
        assert identity == replace(later, base=version + 1, synced=0)
        assert len(await restored.sources()) == 3


@pytest.mark.parametrize("part", ["tables/entries-00000.arrow", "files/00000.tar.gz"])
async def test_a_damaged_file_is_named_and_nothing_is_restored(
    tmp_path: Path, place: CopyPlace, bucket: BucketServer, part: str
) -> None:
    async with Running(tmp_path / "old", place).writing() as running:
        await _say(running)
        backup = await running.back_up()
    stored = bucket._folder / "data" / BUCKET / place.s3.prefix / backup.backup_id / part
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    restore = restorer(tmp_path / "new", place)
    with pytest.raises(BackupError, match=f"'{part}' is damaged"):
        await restore.restore(await restore.choose(None))
    assert not [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    stored.unlink()
    with pytest.raises(BackupError, match=f"'{part}' is missing"):
        await restore.restore(await restore.choose(None))


async def test_a_damaged_manifest_is_no_copy(tmp_path: Path, place: CopyPlace, bucket: BucketServer) -> None:
    async with Running(tmp_path / "old", place).writing() as running:
        await _say(running)
        backup = await running.back_up()
    stored = bucket._folder / "data" / BUCKET / place.s3.prefix / backup.backup_id / MANIFEST
    stored.write_bytes(stored.read_bytes().replace(b'"rows": 3', b'"rows": 2'))
    assert await list_copies(place) == []
    with pytest.raises(NotFoundError, match="no complete copy"):
        await restorer(tmp_path / "new", place).choose(None)


async def test_the_oldest_copies_go_and_others_stay(tmp_path: Path, place: CopyPlace) -> None:
    remains = new_copy_id(datetime.now(UTC) - timedelta(days=1))
    await place.put(f"{remains}/{BEGUN}", b'{"store": "team-a/notes"}')
    await place.put(f"{remains}/files/00000.tar.gz", b"half")
    foreign = new_copy_id(datetime.now(UTC) - timedelta(days=1))
    await place.put(f"{foreign}/{BEGUN}", b'{"store": "team-b/notes"}')
    await place.put("photos/1.jpg", b"not ours")
    made: list[str] = []
    async with Running(tmp_path / "old", place, keep=2).writing() as running:
        await _say(running)
        for _ in range(3):
            backup = await running.back_up()
            assert backup.state is BackupState.SUCCEEDED, backup.error
            made.append(backup.backup_id)
        assert backup.removed == (made[0],)
    assert [copy.copy_id for copy in await list_copies(place)] == made[1:]
    assert await place.folders() == sorted([foreign, "photos", *made[1:]])


async def test_a_place_that_refuses_leaves_the_copies_and_the_writer(
    tmp_path: Path, bucket: BucketServer, place: CopyPlace
) -> None:
    running = Running(tmp_path / "old", place)
    async with running.writing():
        await _say(running)
        good = await running.back_up()
        await running.told(good)
        assert running.health.checks[CHECK].reason is Reason.BACKED_UP
        assert running.job.figures()["last_backup_seconds"] > datetime(2026, 1, 1, tzinfo=UTC).timestamp()
        bucket.stop()
        try:
            bad = await running.back_up()
            await running.memory.journal.append(Operation("ada", "s2", _turns("later"), datetime.now(UTC)))
            await running.drained()
        finally:
            bucket.start()
        assert bad.state is BackupState.FAILED
        await running.told(bad)
        assert f"bucket '{BUCKET}' of the copies refuses" in bad.error
        check = running.health.checks[CHECK]
        assert (check.ok, check.reason) == (False, Reason.BACKUP_FAILED)
        assert good.ended_at in check.message
        assert [copy.copy_id for copy in await list_copies(place)] == [good.backup_id]
        again = await running.back_up()
        await running.told(again)
        assert again.state is BackupState.SUCCEEDED
        assert running.health.checks[CHECK].ok


async def test_a_second_request_joins_the_backup_under_way(tmp_path: Path, place: CopyPlace) -> None:
    running = Running(tmp_path / "old", place)
    first, second = await running.backups.ask(), await running.backups.ask()
    assert first.backup_id == second.backup_id
    async with running.writing():
        assert (await running.ended(first.backup_id)).state is BackupState.SUCCEEDED
        assert (await running.backups.ask()).backup_id != first.backup_id


async def test_a_backup_that_ends_its_writer_each_time_is_given_up(tmp_path: Path, place: CopyPlace) -> None:
    asked = await Running(tmp_path, place).backups.ask()
    for _ in range(3):
        # What a killed writer leaves.
        await Running(tmp_path, place).backups.begin(asked)
    async with Running(tmp_path, place).writing() as running:
        ended = await running.ended(asked.backup_id)
        assert ended.state is BackupState.FAILED
        assert "the writer ended 3 times" in ended.error
        assert (await running.back_up()).state is BackupState.SUCCEEDED


async def test_a_writer_that_ends_leaves_the_backup_to_the_next(
    tmp_path: Path, place: CopyPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = asyncio.Event()

    async def stuck(*_: object, **__: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    first = Running(tmp_path, place)
    with monkeypatch.context() as slow:
        slow.setattr(place, "put", stuck)
        async with first.writing():
            await _say(first)
            asked = await first.backups.ask()
            await asyncio.wait_for(reached.wait(), 10)
    assert (await first.backups.read(asked.backup_id)).state is not BackupState.FAILED
    async with Running(tmp_path, place).writing() as second:
        ended = await second.ended(asked.backup_id)
        assert (ended.state, ended.entries) == (BackupState.SUCCEEDED, 3)


@pytest.mark.parametrize(
    ("bucket_name", "prefix", "is_within"),
    [
        ("memories", "notes", True),
        ("memories", "notes/copies", True),
        ("memories", "notes-2", False),
        ("copies", "notes", False),
    ],
)
def test_copies_lie_outside_the_store(bucket_name: str, prefix: str, *, is_within: bool) -> None:
    own = make_store(storage={"s3": {"bucket": "memories", "prefix": "notes"}}).storage.s3
    other = make_store(storage={"s3": {"bucket": bucket_name, "prefix": prefix}}).storage.s3
    assert own is not None
    assert other is not None
    with pytest.raises(BackupError, match="name one outside") if is_within else nullcontext():
        refuse_within(other, own)


async def test_data_goes_into_the_class_of_the_spec_and_manifests_stay_readable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_credentials(monkeypatch)
    seen: dict[str, dict[str, str]] = {}

    class Recorder(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            seen[self.path.rsplit("/", 1)[-1]] = {name.lower(): value for name, value in self.headers.items()}
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        s3 = {"bucket": "copies", "endpoint": f"http://127.0.0.1:{server.server_port}"}
        backup = make_store(tier="Hybrid", backup={"s3": s3}).backup
        assert backup is not None
        place = CopyPlace(backup.s3, {"SIMPLEMEM_BACKUP_AWS_ACCESS_KEY_ID": "own", **SECRET})
        await place.put("x/rows.arrow", b"rows")
        await place.put(f"x/{MANIFEST}", b"{}", is_small=True)
    finally:
        server.shutdown()
        server.server_close()
    assert not place.can_read_back
    assert seen["rows.arrow"]["x-amz-storage-class"] == "GLACIER"
    assert "x-amz-checksum-sha256" in seen["rows.arrow"]
    assert "Credential=own/" in seen["rows.arrow"]["authorization"]
    assert "x-amz-storage-class" not in seen[MANIFEST]


async def test_a_pinned_moment_outlives_upkeep_and_changes(
    tmp_path: Path, place: CopyPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "MAINTENANCE_RETENTION", timedelta(milliseconds=1))
    running = Running(tmp_path, place)
    async with running.writing():
        await _say(running)
        storage = running.memory.storage
        pinned = (await storage.pin())["entries"]
        rows = pinned.count_rows()
        await storage.delete_entries([entry.entry_id for entry in await running.memory.entries()])
        await storage.purge(drops_indices=False)
        await storage.maintain()
        assert pinned.to_table().num_rows == rows > 0
        storage.unpin()
        await storage.maintain()
        with pytest.raises((OSError, ValueError), match=r"Not found"):
            pinned.to_table()


async def test_only_an_empty_store_is_restored_into(tmp_path: Path, place: CopyPlace) -> None:
    async with Running(tmp_path / "old", place).writing() as running:
        await _say(running)
        await running.back_up()
        restore = restorer(tmp_path / "old", place)
        copy = await restore.choose(None)
    with pytest.raises(ConflictError, match="the store is not empty: it holds 3 entries, 3 turns"):
        await restore.restore(copy)


async def test_a_store_that_was_opened_and_never_used_is_restored_into(tmp_path: Path, place: CopyPlace) -> None:
    async with Running(tmp_path / "old", place).writing() as running:
        await _say(running)
        await running.back_up()
    async with Running(tmp_path / "new", place).writing():
        pass
    restore = restorer(tmp_path / "new", place)
    await restore.restore(await restore.choose(None))
    async with Running(tmp_path / "new", place).writing() as restored:
        assert len(await restored.sources()) == 3


async def test_a_store_that_somebody_writes_is_not_restored_into(
    tmp_path: Path, place: CopyPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore_module, "LEASE_EXPIRY", timedelta(0))
    async with Running(tmp_path / "old", place).writing() as running:
        await _say(running)
        await running.back_up()
    async with Running(tmp_path / "new", place).writing() as other:
        await other.drained()
        restore = restorer(tmp_path / "new", place)
        with pytest.raises(ConflictError, match="a process writes this store; stop it first"):
            await restore.restore(await restore.choose(None))
        assert not (tmp_path / "new" / RESTORING).exists()


async def test_a_restore_that_was_cut_off_is_seen_by_nobody_and_can_be_repeated(
    tmp_path: Path, place: CopyPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Running(tmp_path / "old", place).writing() as running:
        await _say(running)
        await running.back_up()
    restore = restorer(tmp_path / "new", place)
    copy = await restore.choose(None)
    with monkeypatch.context() as cut:
        cut.setattr(restore, "_check_rows", _fail)
        with pytest.raises(StorageUnavailableError, match="power cut"):
            await restore.restore(copy)
    assert (tmp_path / "new" / RESTORING).exists()
    half = Running(tmp_path / "new", place)
    with pytest.raises(StorageUnavailableError, match="a restore has not ended"):
        await read_identity(half.memory.blobs)
    await restore.restore(copy)
    async with Running(tmp_path / "new", place).writing() as restored:
        assert len(await restored.sources()) == 3


async def test_copies_of_several_stores_need_a_name(tmp_path: Path, make_place: Callable[[], CopyPlace]) -> None:
    place = make_place()
    for store in ("team-a/notes", "team-b/notes"):
        async with Running(tmp_path / store, place, store=store).writing() as running:
            await _say(running)
            backup = await running.back_up()
    restore = restorer(tmp_path / "new", place)
    with pytest.raises(ConflictError, match="copies of team-a/notes, team-b/notes"):
        await restore.choose(None)
    assert (await restore.choose(backup.backup_id)).store == "team-b/notes"


def _turns(name: str) -> tuple[GivenTurn, ...]:
    return tuple(GivenTurn(who, text, f"{name}-{n}", None) for n, (who, text) in enumerate(TALK))


async def _say(running: Running) -> None:
    await running.memory.journal.append(Operation("ada", "s", _turns("t"), datetime.now(UTC)))
    await running.drained()


async def _fail(*_: object) -> None:
    raise StorageUnavailableError("power cut")

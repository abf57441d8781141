"""A store with a writer that runs and makes backups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from simplemem_api.resolved import ResolvedBackup
from simplemem_service.backup.job import CHECK, BackupJob
from simplemem_service.backup.place import CopyPlace
from simplemem_service.backup.records import Backup, Backups, BackupState
from simplemem_service.backup.restore import Restorer
from simplemem_service.health import Health
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.identity import read_identity
from simplemem_service.storage.lance_raw import RawTables
from tests.support.embedding import DIMENSION
from tests.support.memory import Memory


class Running:
    """A store whose writer runs, with a place for its copies."""

    def __init__(self, folder: Path, place: CopyPlace, *, keep: int = 7, store: str = "team-a/notes") -> None:
        self.memory = Memory(folder)
        self.place = place
        self.health = Health(("storage",), ("ingest",))
        self.backups = Backups(self.memory.blobs)
        target = ResolvedBackup(schedule="0 3 * * *", s3=place.s3, keep=keep)
        self.job = BackupJob(
            self.memory.storage,
            self.memory.blobs,
            store,
            target,
            place,
            check=self.memory.lease.check,
            look_seconds=0,
        )
        self.memory.worker.add_chore(self.job)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Running]:
        found = await read_identity(self.memory.blobs)
        await self.memory.storage.open(found or StoreIdentity("tiny", DIMENSION))
        task = asyncio.create_task(self.memory.worker.run(self.health))
        try:
            yield self
        finally:
            await self.memory.worker.stop()
            await task
            await self.memory.close()

    async def back_up(self) -> Backup:
        """Ask for a backup and wait for its end."""
        asked = await self.backups.ask()
        self.memory.journal.appended.set()
        return await self.ended(asked.backup_id)

    async def ended(self, backup_id: str) -> Backup:
        async with asyncio.timeout(30):
            while True:
                found = await self.backups.read(backup_id)
                if found.state in (BackupState.SUCCEEDED, BackupState.FAILED):
                    return found
                await asyncio.sleep(0.02)

    async def told(self, backup: Backup) -> None:
        """Wait until /readyz tells of a backup."""
        sign = backup.backup_id if backup.state is BackupState.SUCCEEDED else backup.error[:64]
        async with asyncio.timeout(10):
            while sign not in self.health.checks[CHECK].message:
                await asyncio.sleep(0.01)

    async def drained(self) -> None:
        """Wait until nothing is left in the journal."""
        async with asyncio.timeout(30):
            while await self.memory.journal.list_open():
                await asyncio.sleep(0.02)

    async def sources(self, user: str = "ada") -> list[str]:
        return [source for entry in await self.memory.entries(user) for source in entry.sources]


def restorer(folder: Path, place: CopyPlace) -> Restorer:
    """What brings a copy into a folder."""
    target = Memory(folder)
    return Restorer(place, target.blobs, RawTables(str(folder / "tables"), {}), target.lease, lambda *_: None)

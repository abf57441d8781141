"""Backups as a store itself records them, so that every pod tells what the one writer does.

backup/open             the one that is asked for or under way; a second one cannot be asked for meanwhile
backup/begun/<id>.<n>   that it was begun for the n-th time: a writer that ends leaves it to the next one
backup/progress         how far it is
backup/ended/<id>       how it ended; the last ones, and the last good one
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from simplemem_service.backup.manifest import ID_FORM, new_copy_id
from simplemem_service.errors import NotFoundError, OverloadedError
from simplemem_service.storage.blobs import BlobStore

FOLDER = "backup"
"""Top folder of the records; they are of this store and in no copy."""
OPEN = f"{FOLDER}/open"
BEGUN = f"{FOLDER}/begun"
PROGRESS = f"{FOLDER}/progress"
ENDED = f"{FOLDER}/ended"
ENDED_KEPT = 20
"""Records of ended backups that stay, beside that of the last good one."""


class BackupState(StrEnum):
    """How a backup stands."""

    PENDING = "Pending"
    """Asked for; the writer has not begun."""
    RUNNING = "Running"
    """Under way."""
    SUCCEEDED = "Succeeded"
    """The copy is complete and verified."""
    FAILED = "Failed"
    """There is no copy of it; earlier ones are untouched."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup as it is told."""

    backup_id: str
    """Its id, and the name of its folder among the copies."""
    state: BackupState
    """How it stands."""
    asked_at: str
    """When it was asked for, ISO 8601."""
    phase: str = ""
    """What it does now: copying or verifying."""
    done: int = 0
    """Bytes or rows done in this phase."""
    total: int = 0
    """The same in all; 0 while it is not known."""
    ended_at: str = ""
    """When it ended, ISO 8601; empty before."""
    place: str = ""
    """Address of the copy."""
    entries: int = 0
    """Entries in the copy."""
    turns: int = 0
    """Turns in the copy."""
    pending_turns: int = 0
    """Turns in the copy that were not searchable yet."""
    size_bytes: int = 0
    """Bytes of the copy."""
    removed: tuple[str, ...] = ()
    """Older copies that went after it."""
    error: str = ""
    """Why it failed; empty otherwise."""


class Backups:
    """The records.

    Parameters
    ----------
    blobs
        Where they lie.
    clock
        The present time, aware.
    """

    def __init__(self, blobs: BlobStore, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._blobs = blobs
        self._clock = clock

    async def ask(self) -> Backup:
        """Ask for a backup; the one under way, if there is one. Raises `OverloadedError`."""
        now = self._clock()
        wanted = Backup(new_copy_id(now), BackupState.PENDING, stamp(now))
        for _ in range(3):
            if await self._blobs.put_new(OPEN, json.dumps(asdict(wanted)).encode()):
                return wanted
            found = await self.current()
            if found is not None:
                return found
        raise OverloadedError("other backups were asked for at the same moment; try again")

    async def current(self) -> Backup | None:
        """The backup asked for or under way."""
        asked = await self._read(OPEN)
        if asked is None:
            return None
        progress = await self._read(PROGRESS)
        return progress if progress is not None and progress.backup_id == asked.backup_id else asked

    async def begin(self, backup: Backup) -> int:
        """Record that a backup is begun; for how many times now."""
        number = len(await self._blobs.list_names(BEGUN)) + 1
        await self._blobs.put_new(f"{BEGUN}/{backup.backup_id}.{number}", b"")
        return number

    async def tell(self, backup: Backup) -> None:
        """Record how far the one under way is."""
        await self._blobs.delete(PROGRESS)
        await self._blobs.put_new(PROGRESS, json.dumps(asdict(backup)).encode())

    async def end(self, backup: Backup) -> None:
        """Record how a backup ended, and make room for the next."""
        await self._blobs.put_new(f"{ENDED}/{backup.backup_id}", json.dumps(asdict(backup)).encode())
        for name in await self._blobs.list_names(BEGUN):
            await self._blobs.delete(f"{BEGUN}/{name}")
        await self._blobs.delete(PROGRESS)
        await self._blobs.delete(OPEN)
        await self._sweep()

    async def read(self, backup_id: str) -> Backup:
        """A backup. Raises `NotFoundError`."""
        if ID_FORM.fullmatch(backup_id):
            # Once more at the end, since it may end between the two looks.
            for look in (self._ended, self._current_of, self._ended):
                found = await look(backup_id)
                if found is not None:
                    return found
        raise NotFoundError(f"backup '{backup_id[:64]}' does not exist, or ended too long ago")

    async def last(self) -> tuple[Backup | None, Backup | None]:
        """The last one that ended, and the last one that succeeded."""
        last: Backup | None = None
        for name in reversed(await self._blobs.list_names(ENDED)):
            found = await self._ended(name)
            last = last or found
            if found is not None and found.state is BackupState.SUCCEEDED:
                return last, found
        return last, None

    async def _sweep(self) -> None:
        _, good = await self.last()
        for name in (await self._blobs.list_names(ENDED))[:-ENDED_KEPT]:
            if good is None or name != good.backup_id:
                await self._blobs.delete(f"{ENDED}/{name}")

    async def _ended(self, backup_id: str) -> Backup | None:
        return await self._read(f"{ENDED}/{backup_id}")

    async def _current_of(self, backup_id: str) -> Backup | None:
        found = await self.current()
        return found if found is not None and found.backup_id == backup_id else None

    async def _read(self, name: str) -> Backup | None:
        data = await self._blobs.get(name)
        if data is None:
            return None
        fields: dict[str, Any] = json.loads(data)
        return Backup(**fields | {"state": BackupState(fields["state"]), "removed": tuple(fields["removed"])})


def stamp(time: datetime) -> str:
    """A time as users read it, UTC."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

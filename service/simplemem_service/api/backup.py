"""Routes that copy the store into its bucket of copies. A copy holds everybody's memory, so they need the scope admin
and a token that is bound to nobody.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from simplemem_service.api.access import Caller, Scope
from simplemem_service.api.context import Anybody, PartsOf
from simplemem_service.api.examples import BACKUP
from simplemem_service.api.problem_schema import problems
from simplemem_service.backup.records import Backup, Backups, BackupState
from simplemem_service.errors import ConflictError, ForbiddenError

router = APIRouter(tags=["backup"])


class BackupOut(BaseModel):
    """A backup: Pending until the writer begins, Succeeded once the copy is complete and verified."""

    model_config = ConfigDict(use_attribute_docstrings=True, json_schema_extra={"examples": [BACKUP]})

    backup_id: str
    """Its id, and the name of its folder among the copies."""
    state: BackupState
    """How it stands."""
    asked_at: str
    """When it was asked for."""
    phase: str | None
    """What it does now: copying or verifying."""
    done: int
    """Rows copied, or bytes verified, in this phase."""
    total: int
    """The same in all; 0 while it is not known."""
    ended_at: str | None
    """When it ended."""
    place: str | None
    """Address of the copy."""
    entries: int
    """Entries in the copy."""
    turns: int
    """Turns in the copy that are searchable."""
    pending_turns: int
    """Turns in the copy that were accepted and not yet searchable."""
    size_bytes: int
    """Bytes of the copy."""
    removed: tuple[str, ...]
    """Older copies that went after it."""
    error: str | None
    """Why it failed; earlier copies are untouched."""

    @classmethod
    def of(cls, backup: Backup) -> BackupOut:
        """A backup on its way out."""
        return cls(
            backup_id=backup.backup_id,
            state=backup.state,
            asked_at=backup.asked_at,
            phase=backup.phase or None,
            done=backup.done,
            total=backup.total,
            ended_at=backup.ended_at or None,
            place=backup.place or None,
            entries=backup.entries,
            turns=backup.turns,
            pending_turns=backup.pending_turns,
            size_bytes=backup.size_bytes,
            removed=backup.removed,
            error=backup.error or None,
        )


class BackupsOut(BaseModel):
    """The backups of a store."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"current": None, "last": BACKUP, "last_succeeded": BACKUP}]},
    )

    current: BackupOut | None
    """The one asked for or under way."""
    last: BackupOut | None
    """The last one that ended."""
    last_succeeded: BackupOut | None
    """The last one that made a copy."""


async def _admin(caller: Anybody) -> Caller:
    caller.require(Scope.ADMIN)
    if caller.user_id is not None:
        raise ForbiddenError(f"the token of '{caller.name}' is bound to a user; a backup concerns all")
    return caller


@router.post("/v1/backup", status_code=202, summary="Copy the store into its bucket", responses=problems(409))
async def post_backup(_caller: Annotated[Caller, Depends(_admin)], parts: PartsOf) -> BackupOut:
    """The copy is made beside all else, of one moment, to where `spec.backup.s3` says. Where one is under way already,
    that one is answered. Needs the scope admin.
    """
    if parts.store.backup is None:
        raise ConflictError("this MemoryStore names no place for copies; add spec.backup.s3")
    asked = await Backups(parts.blobs).ask()
    parts.journal.appended.set()
    return BackupOut.of(asked)


@router.get("/v1/backup", summary="How the last backups ended")
async def get_backups(_caller: Annotated[Caller, Depends(_admin)], parts: PartsOf) -> BackupsOut:
    """Also where the spec asks for none any more."""
    backups = Backups(parts.blobs)
    current, (last, good) = await backups.current(), await backups.last()
    shown = [None if one is None else BackupOut.of(one) for one in (current, last, good)]
    return BackupsOut(current=shown[0], last=shown[1], last_succeeded=shown[2])


@router.get("/v1/backup/{backup_id}", summary="How far a backup has come", responses=problems(404))
async def get_backup(_caller: Annotated[Caller, Depends(_admin)], backup_id: str, parts: PartsOf) -> BackupOut:
    """The last twenty can be asked for, and the last good one."""
    return BackupOut.of(await Backups(parts.blobs).read(backup_id))

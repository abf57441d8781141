"""Routes that show what is remembered."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query

from simplemem_service.api.change_schemas import HistoryOut, RevisionOut
from simplemem_service.api.changes import read_own
from simplemem_service.api.context import PartsOf, Reader
from simplemem_service.api.problem_schema import problems
from simplemem_service.api.schemas import EntriesOut, EntryOut, Id, PageIn
from simplemem_service.errors import InvalidInputError, NotFoundError

router = APIRouter(tags=["memories"])

CURSOR_PREFIX = "after:"


@router.get("/v1/entries", summary="List memories, oldest first")
async def list_entries(caller: Reader, page: Annotated[PageIn, Query()], parts: PartsOf) -> EntriesOut:
    """A page at a time: pass `next_cursor` as `cursor` until there is none."""
    where = replace(page.to_model(), user_id=caller.narrow(page.user_id))
    found = await parts.storage.list_entries(where, after=_position(page.cursor), limit=page.limit + 1)
    shown = found[: page.limit]
    next_cursor = _cursor(shown[-1].position) if len(found) > page.limit else None
    return EntriesOut.model_construct(entries=[EntryOut.of(entry) for entry in shown], next_cursor=next_cursor)


@router.get("/v1/entries/{entry_id}", summary="One memory", responses=problems(404))
async def get_entry(caller: Reader, entry_id: Id, parts: PartsOf) -> EntryOut:
    """Read from the table itself."""
    return EntryOut.of(await read_own(parts, caller, entry_id))


@router.get("/v1/entries/{entry_id}/history", summary="What a memory was before", responses=problems(404))
async def get_history(caller: Reader, entry_id: Id, parts: PartsOf) -> HistoryOut:
    """Also of a memory that was removed: then its last change says so, and nothing of what it said."""
    revisions = await parts.storage.history(entry_id)
    owners = {revision.user_id for revision in revisions}
    if not revisions:
        owners = {(await read_own(parts, caller, entry_id)).user_id}
    if caller.user_id is not None and owners != {caller.user_id}:
        raise NotFoundError(f"entry '{entry_id[:80]}' does not exist")
    shown = [RevisionOut.of(revision) for revision in revisions]
    return HistoryOut.model_construct(entry_id=entry_id, revisions=shown)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"{CURSOR_PREFIX}{position}".encode()).decode().rstrip("=")


def _position(cursor: str | None) -> int:
    if cursor is None:
        return -1
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        prefix, number = text[: len(CURSOR_PREFIX)], text[len(CURSOR_PREFIX) :]
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError("cursor", "cursor: must be the next_cursor of the page before") from error
    if prefix != CURSOR_PREFIX or not number.isascii() or not number.isdigit() or len(number) > 18:
        raise InvalidInputError("cursor", "cursor: must be the next_cursor of the page before")
    return int(number)

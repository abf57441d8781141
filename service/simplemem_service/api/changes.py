"""Routes that change memories; all by operations of the journal, which the one writer applies in order.

Each answers 202 with its operation once that is durable, or with `?wait=true` 200 once it is applied and seen here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from simplemem_service.api.access import Caller
from simplemem_service.api.change_schemas import EntriesIn, EntryPatch, GivenOut, OperationOut, UndoIn, UserIn
from simplemem_service.api.operations import ChangeOf, IdempotencyKey, accept
from simplemem_service.api.problem_schema import problems
from simplemem_service.api.schemas import Id
from simplemem_service.errors import NotFoundError
from simplemem_service.ingest.identity import identify_entry
from simplemem_service.models.entry import Entry
from simplemem_service.models.operation import (
    DeletePayload,
    EditPayload,
    EntriesPayload,
    ErasePayload,
    Operation,
    RecompressPayload,
    SynthesizePayload,
    UndoPayload,
)
from simplemem_service.parts import Parts

router = APIRouter(tags=["change"])

APPLIED_GIVEN: dict[int | str, dict[str, Any]] = {200: {"model": GivenOut, "description": "Applied, with `?wait=true`"}}
APPLIED: dict[int | str, dict[str, Any]] = {200: {"model": OperationOut, "description": "Applied, with `?wait=true`"}}
CHANGED = APPLIED | problems(409)
CHANGED_ONE = APPLIED | problems(404, 409)


@router.post(
    "/v1/entries",
    status_code=202,
    summary="Write memories as they are given",
    responses=APPLIED_GIVEN | problems(409),
)
async def post_entries(change: ChangeOf, body: EntriesIn, idempotency_key: IdempotencyKey = None) -> GivenOut:
    """An entry whose id is there already is left as it is and counted as `unchanged`."""
    user_id = change.caller.owner(body.user_id)
    entries = tuple(entry.to_model() for entry in body.entries)
    operation = Operation(user_id, body.session_id, (), datetime.now(UTC), payload=EntriesPayload(entries))
    operation_id = await accept(change.parts, change.caller, operation, idempotency_key, body)
    done = await change.answer(operation_id)
    ids = [identify_entry(user_id, entry, body.session_id) for entry in entries]
    return GivenOut.model_construct(**dict(done), entry_ids=ids)


@router.patch("/v1/entries/{entry_id}", status_code=202, summary="Correct a memory", responses=CHANGED_ONE)
async def patch_entry(change: ChangeOf, entry_id: Id, body: EntryPatch) -> OperationOut:
    """The former memory goes to its history; a new sentence is encoded and searched from then on."""
    entry = await read_own(change.parts, change.caller, entry_id)
    return await change.apply(entry.user_id, EditPayload(entry_id, body.changes()))


@router.delete("/v1/entries/{entry_id}", status_code=202, summary="Remove a memory", responses=CHANGED_ONE)
async def delete_entry(change: ChangeOf, entry_id: Id) -> OperationOut:
    """With the turns that only it cites, and its history. The operation's receipt says when it is physical."""
    entry = await read_own(change.parts, change.caller, entry_id)
    return await change.apply(entry.user_id, DeletePayload((entry_id,)))


@router.delete("/v1/entries", status_code=202, summary="Erase a user", responses=CHANGED)
async def erase_user(
    change: ChangeOf, user_id: Annotated[Id, Query(description="Whose memory; all of it goes.")]
) -> OperationOut:
    """Everything of the user that was accepted before, in tables, journal and caches. Needs the scope admin, or a
    token that is bound to this user. The receipt of the operation is kept for good.
    """
    change.caller.require_erasure(user_id)
    return await change.apply(user_id, ErasePayload())


@router.post("/v1/synthesis", status_code=202, summary="Look again for what supersedes what", responses=CHANGED)
async def post_synthesis(change: ChangeOf, body: UserIn) -> OperationOut:
    """Over all memories of a user, also those where it was taken back."""
    return await change.apply(change.caller.owner(body.user_id), SynthesizePayload())


@router.post("/v1/undo", status_code=202, summary="Take back what one cause changed", responses=CHANGED)
async def post_undo(change: ChangeOf, body: UndoIn) -> OperationOut:
    """An edit or a synthesis, named as the history of an entry names it. What was removed does not come back."""
    return await change.apply(change.caller.owner(body.user_id), UndoPayload(body.cause))


@router.post("/v1/recompress", status_code=202, summary="Bring dropped turns back", responses=CHANGED)
async def post_recompress(change: ChangeOf, body: UserIn) -> OperationOut:
    """Those turns of a user that the density threshold of today would keep."""
    return await change.apply(change.caller.owner(body.user_id), RecompressPayload())


async def read_own(parts: Parts, caller: Caller, entry_id: str) -> Entry:
    """The entry. Raises `NotFoundError` if there is none, or none for this caller."""
    entry = await parts.storage.read_entry(entry_id)
    if entry is None:
        raise NotFoundError(f"entry '{entry_id[:80]}' does not exist")
    caller.require_own(entry.user_id, f"entry '{entry_id[:80]}'")
    return entry

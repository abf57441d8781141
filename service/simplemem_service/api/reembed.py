"""Routes that move the store to vectors of another model, and back. They concern all users, so they need the scope
admin and a token that is bound to nobody.
"""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from simplemem_service.api.access import Scope
from simplemem_service.api.change_schemas import OperationOut
from simplemem_service.api.changes import CHANGED
from simplemem_service.api.operations import Change, ChangeOf
from simplemem_service.errors import ForbiddenError
from simplemem_service.models.operation import ReembedAction, ReembedPayload

router = APIRouter(tags=["re-embedding"])

NOBODY = ""
"""User of operations that concern all users."""


class ReembedIn(BaseModel):
    """The model that the store is to go over to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"model": "all-mpnet-base-v2"}]})

    model: str = Field(min_length=1, max_length=256, pattern=r"^[^\s\x00]+$")
    """A sentence-transformers name, as `spec.embedding.model` has it; the one in use makes its vectors anew."""


@router.post("/v1/reembed", status_code=202, summary="Go over to another embedding model", responses=CHANGED)
async def post_reembed(change: ChangeOf, body: ReembedIn) -> OperationOut:
    """New vectors are made and checked beside those in use, while turns and searches go on; then all pods switch. The
    operation is Running until then, `done` of `total` entries tell how far it is. Needs the scope admin.
    """
    return await _apply(change, ReembedPayload(ReembedAction.START, body.model))


@router.post("/v1/reembed/rollback", status_code=202, summary="Use the vectors of before again", responses=CHANGED)
async def post_rollback(change: ChangeOf) -> OperationOut:
    """What came since is encoded by the former model first, so nothing is lost. Again: back to the later vectors."""
    return await _apply(change, ReembedPayload(ReembedAction.ROLLBACK))


@router.post("/v1/reembed/drop", status_code=202, summary="Let go of the vectors of before", responses=CHANGED)
async def post_drop(change: ChangeOf) -> OperationOut:
    """Frees their place; there is no way back then."""
    return await _apply(change, ReembedPayload(ReembedAction.DROP))


async def _apply(change: Change, payload: ReembedPayload) -> OperationOut:
    change.caller.require(Scope.ADMIN)
    if change.caller.user_id is not None:
        raise ForbiddenError(f"the token of '{change.caller.name}' is bound to a user; re-embedding concerns all")
    return await change.apply(NOBODY, payload)

"""Routes that accept turns."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from simplemem_service.api.change_schemas import AcceptedOut
from simplemem_service.api.context import PartsOf, ServiceOf, Writer
from simplemem_service.api.operations import IdempotencyKey, accept, wait_ended
from simplemem_service.api.problem_schema import problems
from simplemem_service.api.schemas import CompressIn, CompressOut, TurnsIn
from simplemem_service.constants import COMPRESS_TIMEOUT, TURNS_MAX
from simplemem_service.errors import InvalidInputError
from simplemem_service.ingest.raw_text import parse_conversation
from simplemem_service.models.operation import GivenTurn, Operation

router = APIRouter(tags=["remember"])


@router.post(
    "/v1/turns", status_code=202, summary="Remember turns; answered once they are durable", responses=problems(409)
)
async def post_turns(
    caller: Writer,
    body: TurnsIn,
    service: ServiceOf,
    parts: PartsOf,
    idempotency_key: IdempotencyKey = None,
) -> AcceptedOut:
    """The same Idempotency-Key with the same body gives the same operation, however often it is sent."""
    turns = [turn.to_model() for turn in body.turns]
    operation = _operation(caller.owner(body.user_id), body.session_id, turns)
    started = time.perf_counter()
    operation_id = await accept(parts, caller, operation, idempotency_key, body)
    service.metrics.acknowledge_seconds.observe(time.perf_counter() - started)
    return AcceptedOut(operation_id=operation_id)


@router.post(
    "/compress", summary="Remember a conversation; answered once it is searchable", responses=problems(409, 504)
)
async def compress(caller: Writer, body: CompressIn, service: ServiceOf, parts: PartsOf) -> CompressOut:
    """Lines `Speaker: text`, with `[time]` before them where known."""
    turns = parse_conversation(body.raw_conversation)
    if not turns:
        raise InvalidInputError("raw_conversation", "raw_conversation: must hold at least one line of text")
    user_id = caller.owner(body.user_id)
    session_id = body.session_id or f"conversation-{uuid.uuid4().hex}"
    # A conversation longer than one request may be goes in as several, one after the other.
    operations = [
        await parts.journal.append(_operation(user_id, session_id, turns[start : start + TURNS_MAX]))
        for start in range(0, len(turns), TURNS_MAX)
    ]
    entries = 0
    for operation in operations:
        try:
            ended = await wait_ended(service, parts, operation, COMPRESS_TIMEOUT)
        except TimeoutError as error:
            detail = f"the conversation is kept and still being compressed; see /v1/operations/{operation}"
            raise HTTPException(504, detail) from error
        entries += ended.result.entries if ended.result else 0
    return CompressOut(compressed_entries=entries)


def _operation(user_id: str, session_id: str, turns: Sequence[GivenTurn]) -> Operation:
    return Operation(user_id, session_id, tuple(turns), datetime.now(UTC))

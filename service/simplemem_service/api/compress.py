"""Routes that accept turns."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.exceptions import HTTPException

from simplemem_service.api.context import Caller, PartsOf, ServiceOf
from simplemem_service.api.operations import read_status
from simplemem_service.api.schemas import AcceptedOut, CompressIn, CompressOut, TurnsIn
from simplemem_service.constants import COMPRESS_POLL, COMPRESS_TIMEOUT, TURNS_MAX
from simplemem_service.errors import InvalidInputError, PermanentError
from simplemem_service.ingest.identity import digest
from simplemem_service.ingest.journal import idempotency_hash
from simplemem_service.ingest.raw_text import parse_conversation
from simplemem_service.lifecycle import Service
from simplemem_service.models.operation import GivenTurn, Operation, OperationState, OperationStatus
from simplemem_service.parts import Parts

router = APIRouter(tags=["remember"])

IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=256)]


@router.post("/v1/turns", status_code=202, summary="Remember turns; answered once they are durable")
async def post_turns(
    body: TurnsIn,
    service: ServiceOf,
    parts: PartsOf,
    caller: Caller,
    idempotency_key: IdempotencyKey = None,
) -> AcceptedOut:
    """The same Idempotency-Key with the same body gives the same operation, however often it is sent."""
    operation = _operation(body.user_id, body.session_id, [turn.to_model() for turn in body.turns])
    started = time.perf_counter()
    if idempotency_key is None:
        operation_id = await parts.journal.append(operation)
    else:
        key = idempotency_hash(caller, body.user_id, idempotency_key)
        once = _operation(body.user_id, body.session_id, operation.turns, key)
        operation_id = await parts.journal.append_once(once, digest(body.model_dump_json()))
    service.metrics.acknowledge_seconds.observe(time.perf_counter() - started)
    return AcceptedOut(operation_id=operation_id)


@router.post("/compress", summary="Remember a conversation; answered once it is searchable")
async def compress(body: CompressIn, service: ServiceOf, parts: PartsOf, _caller: Caller) -> CompressOut:
    """Lines `Speaker: text`, with `[time]` before them where known."""
    turns = parse_conversation(body.raw_conversation)
    if not turns:
        raise InvalidInputError("raw_conversation", "raw_conversation: must hold at least one line of text")
    session_id = body.session_id or f"conversation-{uuid.uuid4().hex}"
    # A conversation longer than one request may be goes in as several, one after the other.
    operations = [
        await parts.journal.append(_operation(body.user_id, session_id, turns[start : start + TURNS_MAX]))
        for start in range(0, len(turns), TURNS_MAX)
    ]
    ended = [await _wait(service, parts, operation) for operation in operations]
    return CompressOut(compressed_entries=sum(status.result.entries for status in ended if status.result))


def _operation(user_id: str, session_id: str, turns: Sequence[GivenTurn], idempotency: str = "") -> Operation:
    return Operation(user_id, session_id, tuple(turns), datetime.now(UTC), idempotency)


async def _wait(service: Service, parts: Parts, operation_id: str) -> OperationStatus:
    deadline = time.monotonic() + COMPRESS_TIMEOUT.total_seconds()
    while time.monotonic() < deadline:
        status = await read_status(service, parts, operation_id)
        if status.state is OperationState.FAILED:
            raise PermanentError(f"operation '{operation_id}' failed: {status.result.error if status.result else ''}")
        if status.state is OperationState.SUCCEEDED:
            return status
        await asyncio.sleep(COMPRESS_POLL.total_seconds())
    raise HTTPException(504, f"the conversation is kept and still being compressed; see /v1/operations/{operation_id}")

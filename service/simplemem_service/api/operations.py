"""Changes on their way: how they are accepted, waited for and looked up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel

from simplemem_service.api.access import Caller
from simplemem_service.api.change_schemas import OperationOut
from simplemem_service.api.context import Anybody, PartsOf, ServiceOf, Writer
from simplemem_service.api.problem_schema import problems
from simplemem_service.constants import COMPRESS_POLL, WAIT_TIMEOUT
from simplemem_service.errors import NotFoundError, OperationFailedError
from simplemem_service.ingest.identity import digest, owner_digest
from simplemem_service.ingest.journal import idempotency_hash
from simplemem_service.lifecycle import Service
from simplemem_service.models.operation import Operation, OperationKind, OperationState, OperationStatus, Payload
from simplemem_service.parts import Parts

router = APIRouter(tags=["operations"])

IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=256, description="The same key with the same body gives the same operation."),
]
Wait = Annotated[
    bool,
    Query(description="Answer 200 once the change is applied and seen here, instead of 202 once it is durable."),
]


@router.get("/v1/operations/{operation_id}", summary="How far an operation has come", responses=problems(404, 422))
async def get_operation(caller: Anybody, operation_id: str, service: ServiceOf, parts: PartsOf) -> OperationOut:
    """Succeeded means that a search through this address sees its effect. Results are kept for 6 hours."""
    status = await read_status(service, parts, operation_id)
    if caller.user_id is not None and status.owner != owner_digest(caller.user_id):
        raise NotFoundError(f"operation '{operation_id[:80]}' does not exist")
    return OperationOut.of(status)


async def accept(parts: Parts, caller: Caller, operation: Operation, key: str | None, body: BaseModel) -> str:
    """Make a change durable, once for an Idempotency-Key; the operation's id."""
    if key is None:
        return await parts.journal.append(operation)
    hashed = idempotency_hash(caller.name, operation.user_id, key)
    found = await asyncio.to_thread(lambda: digest(body.model_dump_json()))
    return await parts.journal.append_once(replace(operation, idempotency=hashed), found)


@dataclass(frozen=True, slots=True)
class Change:
    """A request that changes something, on its way into the journal."""

    caller: Caller
    """Who asks."""
    service: Service
    """The service of this process."""
    parts: Parts
    """Its parts."""
    response: Response
    """The answer to be."""
    is_waited: bool
    """Whether the caller waits until the change is applied."""

    async def apply(self, user_id: str, payload: Payload) -> OperationOut:
        """Accept a change of a user's memory and answer its operation."""
        operation = Operation(user_id, "", (), datetime.now(UTC), payload=payload)
        return await self.answer(await self.parts.journal.append(operation))

    async def answer(self, operation_id: str) -> OperationOut:
        """The operation, applied if the caller waits for that and it does not take too long."""
        status = None
        if self.is_waited:
            with contextlib.suppress(TimeoutError):
                status = await wait_ended(self.service, self.parts, operation_id, WAIT_TIMEOUT)
                self.response.status_code = 200
        return OperationOut.of(status or await read_status(self.service, self.parts, operation_id))


async def _change(
    *, caller: Writer, service: ServiceOf, parts: PartsOf, response: Response, wait: Wait = False
) -> Change:
    return Change(caller, service, parts, response, wait)


ChangeOf = Annotated[Change, Depends(_change)]
"""What a route that changes something works with."""


async def read_status(service: Service, parts: Parts, operation_id: str) -> OperationStatus:
    """The operation, Running until this pod's views have caught up with what it wrote."""
    status = await _recorded(parts, operation_id)
    if status.kind is OperationKind.REEMBED and parts.jobs is not None:
        return await parts.jobs.complete(status, parts.generation)
    if status.result is not None and not status.result.error and status.result.version > service.index_version:
        service.hurry()
        return replace(status, state=OperationState.RUNNING)
    return status


async def _recorded(parts: Parts, operation_id: str) -> OperationStatus:
    """What the journal says, or longer than it is kept there, the record of a re-embedding."""
    try:
        return await parts.journal.read_operation(operation_id)
    except NotFoundError:
        known = await parts.jobs.recall(operation_id) if parts.jobs is not None else None
        if known is None:
            raise
        return known


async def wait_ended(service: Service, parts: Parts, operation_id: str, timeout: timedelta) -> OperationStatus:  # noqa: ASYNC109 - polls
    """The operation once it has succeeded. Raises `OperationFailedError`, `TimeoutError`."""
    deadline = time.monotonic() + timeout.total_seconds()
    while time.monotonic() < deadline:
        status = await read_status(service, parts, operation_id)
        if status.state is OperationState.FAILED:
            reason = status.result.error if status.result else ""
            raise OperationFailedError(f"operation '{operation_id}' failed: {reason}")
        if status.state is OperationState.SUCCEEDED:
            return status
        await asyncio.sleep(COMPRESS_POLL.total_seconds())
    raise TimeoutError

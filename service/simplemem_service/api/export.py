"""GET /v1/export: everything that is remembered, as lines, a page of the store at a time.

Nothing but the page at hand is in memory. What is written or removed while an export runs may or may not be in it; what
stays is in it exactly once, since pages go by positions, which never change.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simplemem_service.api.context import PartsOf, Reader
from simplemem_service.api.examples import EXPORT_LINES
from simplemem_service.api.middleware import request_id_of
from simplemem_service.api.schemas import Id
from simplemem_service.api.transfer_lines import Chain, Count, encode_entries, encode_line, encode_turns
from simplemem_service.errors import InvalidInputError, ServiceError
from simplemem_service.models.query import EntryFilter
from simplemem_service.storage.base import Storage

router = APIRouter(tags=["transfer"])
logger = logging.getLogger(__name__)

PAGE_ROWS = 200
"""Rows of one page: at the longest texts some tens of megabytes, usually some tens of kilobytes."""
MEDIA_TYPE = "application/x-ndjson"
BAD_CURSOR = "after: must be `after` of a checkpoint line"


class Cursor(BaseModel):
    """How far an export has come."""

    model_config = ConfigDict(extra="forbid", strict=True)

    has_turns: bool = False
    """Whether all turns are out, so that entries follow."""
    position: Annotated[int, Field(ge=-1, lt=2**63)] = -1
    """Position of the last row."""
    turns: Count = 0
    """Turns so far."""
    entries: Count = 0
    """Entries so far."""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """The chain so far."""

    def encode(self) -> str:
        """The cursor as it travels."""
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")


def read_cursor(after: str | None) -> Cursor:
    """Where an export goes on. Raises `InvalidInputError`."""
    if after is None:
        return Cursor()
    try:
        return Cursor.model_validate_json(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except (ValidationError, binascii.Error, ValueError) as error:
        raise InvalidInputError("after", BAD_CURSOR) from error


@router.get(
    "/v1/export",
    summary="All turns and memories as lines",
    response_class=StreamingResponse,
    responses={
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": EXPORT_LINES}}, "description": "NDJSON"}
    },
)
async def get_export(
    caller: Reader,
    parts: PartsOf,
    request: Request,
    user_id: Annotated[Id | None, Query(description="Only this user's.")] = None,
    after: Annotated[str | None, Query(max_length=1024, description="Go on behind this checkpoint.")] = None,
) -> StreamingResponse:
    """Lines `turn`, then `entry`; after each page a `checkpoint`, whose `after` continues an export that was cut off;
    at the end a line `end` with counts and digest. An export without it is not whole; one that ends with a line `error`
    failed on the way.
    """
    pages = export_pages(parts.storage, caller.narrow(user_id), read_cursor(after))
    # The first page before the answer begins, so that an error can still be one.
    first = await anext(pages)
    return StreamingResponse(_with_errors(first, pages, request_id_of(request.scope)), media_type=MEDIA_TYPE)


async def export_pages(storage: Storage, user_id: str | None, cursor: Cursor) -> AsyncIterator[bytes]:
    """Pages of lines, each with its checkpoint, the last with the end."""

    async def list_entries(after: int) -> Sequence[Any]:
        return await storage.list_entries(EntryFilter(user_id=user_id), after=after, limit=PAGE_ROWS)

    async def list_turns(after: int) -> Sequence[Any]:
        return await storage.list_turns(user_id, after=after, limit=PAGE_ROWS)

    chain = Chain(cursor.sha256)
    while not cursor.has_turns:
        rows = await list_turns(cursor.position)
        has_turns = len(rows) < PAGE_ROWS
        step = {"has_turns": has_turns, "position": -1 if has_turns else rows[-1].position}
        cursor = cursor.model_copy(update=step | {"turns": cursor.turns + len(rows)})
        page, cursor = await _page(encode_turns, rows, chain, cursor)
        yield page
    has_entries = False
    while not has_entries:
        rows = await list_entries(cursor.position)
        has_entries = len(rows) < PAGE_ROWS
        step = {"position": cursor.position if has_entries else rows[-1].position}
        cursor = cursor.model_copy(update=step | {"entries": cursor.entries + len(rows)})
        if not has_entries:
            page, cursor = await _page(encode_entries, rows, chain, cursor)
            yield page
    lines = await asyncio.to_thread(encode_entries, rows)
    chain.add(lines)
    end = {"kind": "end", "turns": cursor.turns, "entries": cursor.entries, "sha256": chain.value}
    yield lines + encode_line(end)


async def _page(
    encode: Callable[[Sequence[Any]], bytes], rows: Sequence[Any], chain: Chain, cursor: Cursor
) -> tuple[bytes, Cursor]:
    lines = await asyncio.to_thread(encode, rows)
    chain.add(lines)
    cursor = cursor.model_copy(update={"sha256": chain.restart()})
    counts = {"turns": cursor.turns, "entries": cursor.entries, "sha256": cursor.sha256}
    return lines + encode_line({"kind": "checkpoint", "after": cursor.encode()} | counts), cursor


async def _with_errors(first: bytes, pages: AsyncIterator[bytes], request_id: str) -> AsyncIterator[bytes]:
    """The pages; where one cannot be read, a line that says so, since the status has been sent."""
    yield first
    try:
        async for page in pages:
            yield page
    except ServiceError as error:
        logger.warning("export broken off", extra={"request_id": request_id, "error": str(error)})
        fields = {"kind": "error", "code": error.code, "detail": str(error), "request_id": request_id}
        yield json.dumps(fields).encode() + b"\n"

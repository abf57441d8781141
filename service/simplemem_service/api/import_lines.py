"""POST /v1/import: lines of an export, or made by hand, of any number.

Lines are read as they come and become operations of some hundreds of lines each; only so many operations are under way
at a time, so that a large import takes its memory and its share of the journal, and no more. From a wrong line on
nothing is applied; what stood before it is. Everything has an identity, so sending it again changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException

from simplemem_service.api.access import Caller
from simplemem_service.api.context import PartsOf, ServiceOf, Writer
from simplemem_service.api.examples import IMPORT_LINES
from simplemem_service.api.export import MEDIA_TYPE
from simplemem_service.api.import_schemas import ImportOut
from simplemem_service.api.operations import wait_ended
from simplemem_service.api.problem_schema import problems
from simplemem_service.api.transfer_lines import (
    Chain,
    CheckpointLine,
    EndLine,
    EntryLine,
    Line,
    TurnLine,
    parse_line,
)
from simplemem_service.constants import COMPRESS_TIMEOUT, DEFAULT_SESSION
from simplemem_service.errors import ForbiddenError, ImportLineError
from simplemem_service.lifecycle import Service
from simplemem_service.models.operation import EntriesPayload, GivenEntry, GivenTurn, Operation
from simplemem_service.parts import Parts

router = APIRouter(tags=["transfer"])

BATCH_LINES = 256
"""Lines parsed and accepted together."""
BATCH_BYTES = 2 * 1024 * 1024
"""Bytes of lines from which a batch is full, so that long texts take no more memory."""
LINE_MAX_BYTES = 16 * 1024 * 1024
"""Longest line, in bytes: an entry made of a window of the longest turns."""
UNDER_WAY = 16
"""Operations of one import that may wait for the writer."""

Batch = list[tuple[int, bytes]]
"""Numbered lines."""


@router.post(
    "/v1/import",
    summary="Take lines of an export",
    responses=problems(409, 504),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": IMPORT_LINES}},
        }
    },
)
async def post_import(
    caller: Writer,
    service: ServiceOf,
    parts: PartsOf,
    request: Request,
    compress: Annotated[bool, Query(description="Make memories of the turns, instead of keeping them only.")] = False,
) -> ImportOut:
    """Answered once all of it is applied; the body may be of any size and is read no faster than it is applied.

    A wrong line ends it with 422, `line` and `field`: what stood before it is applied, nothing from it on. Counts and
    digests of checkpoint and end lines are verified; `verified` says that there was an end line.
    """
    importer = Importer(service, parts, caller, is_compressed=compress)
    async for batch in read_batches(request.stream()):
        await importer.take(batch)
    return await importer.finish()


class Importer:
    """One import.

    Parameters
    ----------
    service, parts, caller
        What it works with, and for whom.
    is_compressed
        Whether memories are made of the turns.
    """

    def __init__(self, service: Service, parts: Parts, caller: Caller, *, is_compressed: bool) -> None:
        self._service = service
        self._parts = parts
        self._caller = caller
        self._is_compressed = is_compressed
        self._chain = Chain()
        self._counts = {"turns": 0, "entries": 0}
        self._lines = 0
        self._written = 0
        self._unchanged = 0
        self._is_ended = False
        self._waiting: deque[str] = deque()

    async def take(self, batch: Batch) -> None:
        """Accept some lines. Raises `ImportLineError` for the first wrong one, once those before it are accepted."""
        lines, wrong = await asyncio.to_thread(_parse, batch)
        pending: list[tuple[int, Line]] = []
        for (number, raw), line in zip(batch, lines, strict=False):
            try:
                self._check(number, raw, line)
            except (ImportLineError, ForbiddenError) as error:
                wrong = error
                break
            pending.append((number, line))
        self._lines = batch[-1][0]
        await self._accept(pending)
        if wrong is not None:
            await self._drain(0)
            raise wrong

    async def finish(self) -> ImportOut:
        """What came of it, once all is applied."""
        await self._drain(0)
        return ImportOut(
            lines=self._lines,
            turns=self._counts["turns"],
            entries=self._counts["entries"],
            written=self._written,
            unchanged=self._unchanged,
            verified=self._is_ended,
        )

    def _check(self, number: int, raw: bytes, line: Line) -> None:
        if self._is_ended:
            raise ImportLineError(number, "kind", "nothing may follow the line `end`")
        if isinstance(line, TurnLine | EntryLine):
            self._check_owner(number, line)
            self._chain.add(raw + b"\n")
            self._counts["turns" if isinstance(line, TurnLine) else "entries"] += 1
            return
        for name, found in self._counts.items():
            if getattr(line, name) != found:
                raise ImportLineError(number, name, f"says {getattr(line, name)}, and {found} came before it")
        if line.sha256 != self._chain.value:
            raise ImportLineError(number, "sha256", "does not match the lines before; they were changed on the way")
        self._chain.restart()
        self._is_ended = isinstance(line, EndLine)

    def _check_owner(self, number: int, line: TurnLine | EntryLine) -> None:
        try:
            self._caller.narrow(line.user_id)
        except ForbiddenError as error:
            raise ForbiddenError(f"line {number}: {error}") from error

    async def _accept(self, pending: Sequence[tuple[int, Line]]) -> None:
        operations = self._operations(pending)
        # Together, so that they share a segment; the journal keeps their order.
        self._waiting += await asyncio.gather(*(self._parts.journal.append(one) for one in operations))
        await self._drain(UNDER_WAY)

    def _operations(self, pending: Sequence[tuple[int, Line]]) -> list[Operation]:
        turns: dict[tuple[str, str], list[GivenTurn]] = {}
        entries: dict[str, list[GivenEntry]] = {}
        for number, line in pending:
            if isinstance(line, CheckpointLine | EndLine):
                continue
            user_id = self._caller.owner(line.user_id)
            if isinstance(line, TurnLine):
                turns.setdefault((user_id, line.session_id), []).append(line.to_model(user_id, number))
            else:
                entries.setdefault(user_id, []).append(line.to_model())
        now = datetime.now(UTC)
        kept = None if self._is_compressed else EntriesPayload(())
        return [
            *(Operation(*place, tuple(said), now, payload=kept) for place, said in turns.items()),
            *(
                Operation(user_id, DEFAULT_SESSION, (), now, payload=EntriesPayload(tuple(given)))
                for user_id, given in entries.items()
            ),
        ]

    async def _drain(self, most: int) -> None:
        """Wait until at most so many operations are under way."""
        while len(self._waiting) > most:
            operation_id = self._waiting.popleft()
            try:
                ended = await wait_ended(self._service, self._parts, operation_id, COMPRESS_TIMEOUT)
            except TimeoutError as error:
                detail = f"what was read is kept and still being applied; see /v1/operations/{operation_id}"
                raise HTTPException(504, detail) from error
            if ended.result is not None:
                self._written += ended.result.entries
                self._unchanged += ended.result.unchanged


async def read_batches(stream: AsyncIterator[bytes]) -> AsyncIterator[Batch]:
    """Numbered lines in batches, blank ones left out. Raises `ImportLineError` for a line that is too long."""
    rest = b""
    number = size = 0
    batch: Batch = []
    async for chunk in stream:
        *whole, rest = (rest + chunk).split(b"\n")
        for raw in whole:
            number += 1
            _check_length(raw, number)
            if raw.strip():
                batch.append((number, raw))
                size += len(raw)
            if len(batch) >= BATCH_LINES or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        _check_length(rest, number + 1)
    if rest.strip():
        batch.append((number + 1, rest))
    if batch:
        yield batch


def _check_length(raw: bytes, number: int) -> None:
    if len(raw) > LINE_MAX_BYTES:
        raise ImportLineError(number, "line", f"must be at most {LINE_MAX_BYTES} bytes")


def _parse(batch: Batch) -> tuple[list[Line], Any]:
    """The lines up to the first wrong one, and what is wrong with that."""
    lines: list[Line] = []
    for number, raw in batch:
        try:
            lines.append(parse_line(raw, number))
        except ImportLineError as error:
            return lines, error
    return lines, None

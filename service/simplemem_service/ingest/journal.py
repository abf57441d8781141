"""The journal: what makes an answer 202 a promise.

A segment is an immutable blob of one or more operations, written before any of them is acknowledged:

    journal/open/<segment>      waits to be worked off
    journal/done/<segment>      worked off: the results; the turns are in the tables
    journal/failed/<operation>  what an operation that failed held
    journal/damaged/<segment>   did not match its checksum
    journal/keys/<hash>         the operation that an Idempotency-Key stands for

Results and keys go after a while (`journal_upkeep.py`); the receipt of an erased user, kept beside the journal, stays.

A segment gets its name only once all of it is durable, so one that was cut off while it was written is never seen, and
none of it was acknowledged. What does not match its checksum was whole once and has been acknowledged: it is said
loudly, and kept until somebody removes it.

An operation's id names its segment, so looking one up needs no index. `open` holds only what waits, so a listing stays
short however old the store is, and no clock decides what is read. A worker that dies between writing `done` and
removing `open` leaves both; the next one works the segment off again, which changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from simplemem_service.constants import (
    GROUP_COMMIT_INTERVAL,
    JOURNAL_MAX_WAITING,
    RESULTS_CACHED,
    SEGMENT_MAX_BYTES,
)
from simplemem_service.errors import (
    ConflictError,
    NotFoundError,
    OverloadedError,
)
from simplemem_service.ingest import segment as segments
from simplemem_service.ingest.identity import digest, owner_digest
from simplemem_service.ingest.receipts import Receipts
from simplemem_service.models.operation import (
    JournaledOperation,
    Operation,
    OperationResult,
    OperationState,
    OperationStatus,
)
from simplemem_service.storage.bells import Bell
from simplemem_service.storage.blobs import BlobStore

OPEN = "journal/open"
DONE = "journal/done"
FAILED = "journal/failed"
DAMAGED = "journal/damaged"
KEYS = "journal/keys"


class OpenSegment(NamedTuple):
    """A segment that waits, as it was read."""

    name: str
    """Its name."""
    operations: list[JournaledOperation]
    """Its operations, in order."""


class Waiting(NamedTuple):
    """An operation whose segment is not written yet."""

    line: bytes
    turns: int
    accepted: asyncio.Future[str]


class Journal:
    """Durable operations.

    Parameters
    ----------
    blobs
        Where the segments lie.
    bell
        Rung after each segment, for a writer elsewhere; None: the writer is in this process.
    clock_ns
        Nanoseconds since 1970; it may jump, names still ascend within a process.
    """

    def __init__(
        self, blobs: BlobStore, clock_ns: Callable[[], int] = time.time_ns, *, bell: Bell | None = None
    ) -> None:
        self._blobs = blobs
        self._bell = bell
        self._receipts = Receipts(blobs)
        self._clock_ns = clock_ns
        self._instance = uuid.uuid4().hex[:12]
        self._written = 0
        self._last_ns = 0
        self._waiting: list[Waiting] = []
        self._committing: asyncio.Task[None] | None = None
        self._last_commit = 0.0
        self._results: OrderedDict[str, list[OperationResult]] = OrderedDict()
        self.appended = asyncio.Event()
        """Set after each segment written here, for a worker in this process."""
        self.running: frozenset[str] = frozenset()
        """Segments that a worker in this process is working off."""

    async def append(self, operation: Operation) -> str:
        """Make an operation durable and return its id.

        Raises `OverloadedError` if too many requests wait, `StorageUnavailableError` if it cannot be written.
        """
        if len(self._waiting) >= JOURNAL_MAX_WAITING:
            raise OverloadedError(f"{len(self._waiting)} requests wait to become durable; try again")
        accepted: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(segments.encode_operation(operation), operation.size, accepted))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        return await accepted

    async def append_once(self, operation: Operation, body_hash: str) -> str:
        """Make an operation durable unless its Idempotency-Key is known; return the id that the key stands for.

        Raises `ConflictError` if the key was used with another body. The key is written after the segment: a crash
        between the two leaves a segment that the client's retry repeats, and the turns' keys, made of the
        Idempotency-Key, keep the repetition without effect.
        """
        name = f"{KEYS}/{operation.idempotency}"
        known = await self._blobs.get(name)
        if known is None:
            operation_id = await self.append(operation)
            record = json.dumps({"operation_id": operation_id, "body": body_hash}).encode()
            if await self._blobs.put_new(name, record):
                return operation_id
            known = await self._blobs.get(name) or record
        fields = json.loads(known)
        if fields["body"] != body_hash:
            raise ConflictError("this Idempotency-Key was used with another body; use a new key")
        return str(fields["operation_id"])

    async def list_open(self) -> list[str]:
        """Names of the segments that wait, in order."""
        # A file system may show names of its own, such as .nfs0001.
        return [name for name in await self._blobs.list_names(OPEN) if segments.is_segment_name(name)]

    async def read_open(self, segment: str) -> OpenSegment | None:
        """A waiting segment; None if it does not wait any more.

        Raises `DamagedSegmentError` if it does not match its checksum.
        """
        data = await self._blobs.get(f"{OPEN}/{segment}")
        return None if data is None else OpenSegment(segment, segments.decode_segment(segment, data))

    async def set_aside(self, segment: str) -> None:
        """Take a damaged segment out of the way, keeping its bytes."""
        data = await self._blobs.get(f"{OPEN}/{segment}")
        if data is not None:
            await self._blobs.put_new(f"{DAMAGED}/{segment}", data)
            await self._blobs.delete(f"{OPEN}/{segment}")

    async def list_damaged(self) -> list[str]:
        """Names of the segments that were set aside and not removed since."""
        return [name for name in await self._blobs.list_names(DAMAGED) if segments.is_segment_name(name)]

    async def sync(self) -> None:
        """Make what was written elsewhere in the store durable: a finished segment keeps nothing of what was said."""
        await self._blobs.sync()

    async def finish(self, segment: OpenSegment, results: Sequence[OperationResult]) -> None:
        """Record how the operations of a segment ended, and let it wait no longer."""
        results = [
            replace(result, owner=owner_digest(accepted.operation.user_id))
            for accepted, result in zip(segment.operations, results, strict=True)
        ]
        for accepted, result in zip(segment.operations, results, strict=True):
            if result.state is OperationState.FAILED:
                line = segments.encode_operation(accepted.operation)
                await self._blobs.put_new(f"{FAILED}/{accepted.operation_id}", line)
        is_new = await self._blobs.put_new(f"{DONE}/{segment.name}", segments.encode_results(results))
        await self._blobs.delete(f"{OPEN}/{segment.name}")
        # Worked off before, by a process that died here: its results stand.
        if is_new:
            self._cache(segment.name, results)

    async def read_operation(self, operation_id: str) -> OperationStatus:
        """What is known of an operation. Raises `NotFoundError`."""
        segment, index = segments.split_operation_id(operation_id)
        results = self._results.get(segment) or await self._read_results(segment)
        if results is None:
            waiting = await self._blobs.get(f"{OPEN}/{segment}")
            if waiting is not None:
                return self._describe_waiting(operation_id, index, segments.decode_segment(segment, waiting))
            # It may have moved between the two looks.
            results = await self._read_results(segment) or await self._read_damaged(segment, index)
        result = results[index] if index < len(results) else None
        if result is None or result.receipt is not None:
            result = await self._with_receipt(operation_id, result)
        return OperationStatus(operation_id, result.state, result.turns, result, result.kind, result.owner)

    async def _with_receipt(self, operation_id: str, result: OperationResult | None) -> OperationResult:
        """The result with its latest receipt, which also stands for a result that is kept no more."""
        receipt = await self._receipts.read(operation_id)
        if result is not None:
            return replace(result, receipt=receipt or result.receipt)
        if receipt is None:
            raise NotFoundError(f"operation '{operation_id}' does not exist, or ended too long ago")
        deleted = receipt.removed.get("entries", 0)
        return OperationResult(
            OperationState.SUCCEEDED,
            turns=0,
            kind=receipt.kind,
            deleted=deleted,
            receipt=receipt,
            owner=owner_digest(receipt.user_id),
        )

    def _describe_waiting(
        self, operation_id: str, index: int, operations: Sequence[JournaledOperation]
    ) -> OperationStatus:
        if index >= len(operations):
            raise NotFoundError(f"operation '{operation_id}' does not exist")
        is_running = segments.split_operation_id(operation_id)[0] in self.running
        state = OperationState.RUNNING if is_running else OperationState.PENDING
        operation = operations[index].operation
        owner = owner_digest(operation.user_id)
        return OperationStatus(operation_id, state, len(operation.turns), kind=operation.kind, owner=owner)

    async def _read_damaged(self, segment: str, index: int) -> list[OperationResult]:
        if await self._blobs.get(f"{DAMAGED}/{segment}") is None:
            return []
        error = "its journal segment is damaged and was set aside"
        return [OperationResult(OperationState.FAILED, turns=0, error=error)] * (index + 1)

    async def _read_results(self, segment: str) -> list[OperationResult] | None:
        data = await self._blobs.get(f"{DONE}/{segment}")
        if data is None:
            return None
        results = segments.decode_results(data)
        self._cache(segment, results)
        return results

    def _cache(self, segment: str, results: list[OperationResult]) -> None:
        self._results[segment] = results
        while len(self._results) > RESULTS_CACHED:
            self._results.popitem(last=False)

    async def _commit(self) -> None:
        """Write what waits, a segment at a time, until nothing does."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            pause = self._last_commit + GROUP_COMMIT_INTERVAL.total_seconds() - loop.time()
            if pause > 0:
                await asyncio.sleep(pause)
            self._last_commit = loop.time()
            await self._write_segment(self._take())
        self._committing = None

    def _take(self) -> list[Waiting]:
        taken: list[Waiting] = []
        size = 0
        while self._waiting and (not taken or size + len(self._waiting[0].line) <= SEGMENT_MAX_BYTES):
            taken.append(self._waiting.pop(0))
            size += len(taken[-1].line)
        return taken

    async def _write_segment(self, taken: list[Waiting]) -> None:
        try:
            name = await self._next_name(sum(item.turns for item in taken))
            # The name is this process's own, so nobody can have taken it.
            await self._blobs.put_new(f"{OPEN}/{name}", segments.join_segment([item.line for item in taken]))
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            for item in taken:
                if not item.accepted.done():
                    item.accepted.set_exception(error)
            return
        self.appended.set()
        if self._bell is not None:
            self._bell.ring()
        for index, item in enumerate(taken):
            if not item.accepted.done():
                item.accepted.set_result(segments.operation_id(name, index))

    async def _next_name(self, turns: int) -> str:
        """A name after all that this process wrote, and after all that waited when it wrote its first.

        Its own clock may stand behind that of the process before it, whose segments must be worked off first.
        """
        if not self._written:
            waiting = [segments.parse_segment_name(name).time_ns for name in await self.list_open()]
            self._last_ns = max(waiting, default=0)
        self._last_ns = max(self._clock_ns(), self._last_ns + 1)
        name = segments.SegmentName(self._last_ns, self._instance, self._written, turns)
        self._written += 1
        return str(name)


def idempotency_hash(caller: str, user_id: str, key: str) -> str:
    """What an Idempotency-Key of a caller is stored under."""
    return digest("idempotency", caller, user_id, key)

"""Re-embeddings as they are recorded: what is to be built, and how it ended.

    reembed/open/<operation>    under way, one at a time; what a writer needs to go on after a crash
    reembed/ended/<operation>   how it ended; kept, so that its operation can be asked for long after

Any process reads them, so that every pod tells the progress of what the one writer does.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from simplemem_service.ingest.segment import split_operation_id
from simplemem_service.models.operation import (
    OperationKind,
    OperationResult,
    OperationState,
    OperationStatus,
    ReembedAction,
)
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.lance import LanceStorage

OPEN = "reembed/open"
ENDED = "reembed/ended"


@dataclass(frozen=True, slots=True)
class Job:
    """A table of vectors to be built and taken into use."""

    operation_id: str
    """The operation that asked for it."""
    action: ReembedAction
    """Whether it goes on to a new table, or back to the one left behind."""
    model: str
    """Model of the new vectors."""
    table: str
    """Name of the table that is built."""
    generation: int
    """Generation of the store that it replaces."""
    since: int
    """Version of the table in use, by its own count, after which entries are to be copied; 0: all."""
    started: int
    """The same at its beginning: what changed later is copied again."""


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended."""

    model: str
    """Model of the new vectors."""
    generation: int
    """Generation of the store that it made; 0 where it failed."""
    entries: int
    """Entries of the new table."""
    error: str = ""
    """Why it failed; empty otherwise."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come."""

    operation_id: str
    """The operation that asked for it."""
    action: ReembedAction
    """What it does."""
    model: str
    """Model of the new vectors."""
    done: int
    """Entries of the new table."""
    total: int
    """Entries of the table in use."""


class Jobs:
    """The records.

    Parameters
    ----------
    blobs
        Where they lie.
    storage
        Counts rows.
    """

    def __init__(self, blobs: BlobStore, storage: LanceStorage) -> None:
        self._blobs = blobs
        self._storage = storage

    async def current(self) -> Job | None:
        """The job under way."""
        for name in await self._blobs.list_names(OPEN):
            data = await self._blobs.get(f"{OPEN}/{name}")
            if data is not None:
                fields = json.loads(data)
                return Job(**fields | {"action": ReembedAction(fields["action"])})
        return None

    async def begin(self, job: Job) -> None:
        """Record a job; one that is recorded stays as it is."""
        await self._blobs.put_new(f"{OPEN}/{job.operation_id}", json.dumps(asdict(job)).encode())

    async def end(self, operation_id: str, end: End) -> None:
        """Record how a job ended."""
        await self._blobs.put_new(f"{ENDED}/{operation_id}", json.dumps(asdict(end)).encode())
        await self._blobs.delete(f"{OPEN}/{operation_id}")

    async def read_end(self, operation_id: str) -> End | None:
        """How a job ended; None while it has not."""
        data = await self._blobs.get(f"{ENDED}/{operation_id}")
        return None if data is None else End(**json.loads(data))

    async def progress(self) -> Progress | None:
        """How far the job under way has come; None while there is none."""
        job = await self.current()
        if job is None:
            return None
        total = (await self._storage.counts()).entries
        done = min(await self._storage.sides.count(job.table), total)
        return Progress(job.operation_id, job.action, job.model, done, total)

    async def recall(self, operation_id: str) -> OperationStatus | None:
        """The status of an operation that began a job, from the job's own records; None if it began none.

        Raises `NotFoundError` if the id cannot be one.
        """
        split_operation_id(operation_id)
        for folder in (ENDED, OPEN):
            if await self._blobs.get(f"{folder}/{operation_id}") is not None:
                return OperationStatus(operation_id, OperationState.SUCCEEDED, 0, kind=OperationKind.REEMBED)
        return None

    async def complete(self, status: OperationStatus, generation: int) -> OperationStatus:
        """The status of an operation that began a job: Running until the job has ended and its vectors are in use.

        Parameters
        ----------
        status
            What the journal says: that the job was begun, or why not.
        generation
            The store's generation that searches here see.
        """
        if status.state is not OperationState.SUCCEEDED:
            return status
        end = await self.read_end(status.operation_id)
        if end is not None:
            return _ended(status, end, generation)
        progress = await self.progress()
        if progress is None or progress.operation_id != status.operation_id:
            # What has nothing to build ends at once.
            return status
        return replace(status, state=OperationState.RUNNING, done=progress.done, total=progress.total)


def _ended(status: OperationStatus, end: End, generation: int) -> OperationStatus:
    state = OperationState.SUCCEEDED if end.generation <= generation else OperationState.RUNNING
    state = OperationState.FAILED if end.error else state
    result = OperationResult(
        state, turns=0, entries=end.entries, kind=OperationKind.REEMBED, error=end.error, owner=status.owner
    )
    return replace(status, state=state, result=result, done=end.entries, total=end.entries)

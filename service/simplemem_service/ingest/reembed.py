"""Re-embedding: the store goes over to the vectors of another model, or made anew by the same, without a pause.

The operation only begins a job; turns go on being accepted and written, and searches see the vectors in use. In the
background a second table is built and checked (`reembed_build.py`). When it is complete but for a few entries, the
writer copies these between two batches, and makes the second table the one that counts by creating one file
(`storage/identity.py`). It then ends, and whoever runs it opens the store again with the new model. From that file on
nothing may be written to the former table: so whatever fails behind it is left to the next writer, and where it is not
known whether the file was created, the writer waits until it is.

The table left behind is kept, and loses what is removed meanwhile. Going back is the same job with that table as its
target: only what changed since is encoded again, by the former model.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime

from simplemem_service.embedding.base import Embedding
from simplemem_service.errors import (
    ConflictError,
    NotFoundError,
    ReembedError,
    StorageUnavailableError,
    TransientError,
)
from simplemem_service.health import describe
from simplemem_service.ingest.given import GivenEntries
from simplemem_service.ingest.identity import digest
from simplemem_service.ingest.positions import Positions
from simplemem_service.ingest.reembed_build import Builder
from simplemem_service.ingest.reembed_jobs import End, Job, Jobs
from simplemem_service.models.operation import (
    JournaledOperation,
    OperationKind,
    OperationResult,
    OperationState,
    ReembedAction,
    ReembedPayload,
)
from simplemem_service.retry import back_off
from simplemem_service.storage.base import FIRST_TABLE, StoreIdentity
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.identity import advance_identity, read_generation
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.lance_copy import EntryCopy

logger = logging.getLogger(__name__)

LoadModel = Callable[[str], Awaitable[Embedding]]
"""Gives the model of a name, loaded."""


class Reembedder:
    """Does the re-embeddings of the one writer.

    Parameters
    ----------
    storage, blobs
        The store.
    load
        Gives the new model.
    check
        Called before each commit; raises if this process may not write any more.
    """

    def __init__(self, storage: LanceStorage, blobs: BlobStore, load: LoadModel, check: Callable[[], None]) -> None:
        self._storage = storage
        self._blobs = blobs
        self._load = load
        self._check = check
        self._jobs = Jobs(blobs, storage)
        self._is_known = False
        self._job: Job | None = None
        self._task: asyncio.Task[Builder] | None = None
        self._failures = 0
        self._not_before = 0.0
        self.on_ready: Callable[[], None] = lambda: None
        """Called when the writer has something to do here."""

    async def accept(self, accepted: JournaledOperation, payload: ReembedPayload) -> OperationResult:
        """Begin a job, or drop the table left behind.

        Raises `ConflictError` while another job is under way, `NotFoundError` if there is no table left behind.
        """
        known = await self._jobs.current()
        if known is not None and known.operation_id != accepted.operation_id:
            raise ConflictError(f"operation '{known.operation_id}' re-embeds to '{known.model}'; wait for its end")
        if payload.action is ReembedAction.DROP:
            await self._drop()
        elif known is None and await self._jobs.read_end(accepted.operation_id) is None:
            await self._jobs.begin(await self._plan(accepted.operation_id, payload))
            self._is_known = False
        return OperationResult(OperationState.SUCCEEDED, turns=0, kind=OperationKind.REEMBED)

    async def step(self) -> bool:
        """Do what is due between two batches; True if another table is in use now, so that the writer must end."""
        job = await self._current()
        if job is None or asyncio.get_running_loop().time() < self._not_before:
            return False
        if job.generation != self._identity.generation:
            # The writer before died between the switch and its record.
            await self._end(job, End(job.model, self._identity.generation, (await self._storage.counts()).entries))
            await self._storage.sides.drop(((await self._former()).table,))
            return False
        if self._task is None:
            self._task = self._start(self._build(job))
        if not self._task.done():
            return False
        task, self._task = self._task, None
        try:
            return await self._finish(job, task.result())
        except TransientError as error:
            self._failures += 1
            self._not_before = asyncio.get_running_loop().time() + back_off(self._failures)
            logger.warning("re-embedding waits", extra={"operation": job.operation_id, "error": describe(error)})
        except Exception as error:  # noqa: BLE001 - whatever fails ends the job, not the writer
            await self._fail(job, error)
        return False

    async def pause(self) -> None:
        """Stop building; the next step goes on where this one was."""
        task, self._task = self._task, None
        self._is_known = False
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    async def _current(self) -> Job | None:
        if not self._is_known:
            self._job = await self._jobs.current()
            self._is_known = True
        return self._job

    async def _plan(self, operation_id: str, payload: ReembedPayload) -> Job:
        identity = self._identity
        version = await EntryCopy(self._storage, identity).source_version()
        if payload.action is ReembedAction.START:
            table = f"{FIRST_TABLE}-{identity.generation + 1}-{digest('reembed', operation_id)[:8]}"
            return Job(operation_id, payload.action, payload.model, table, identity.generation, 0, version)
        former = await self._former()
        return Job(
            operation_id, payload.action, former.model, former.table, identity.generation, identity.synced, version
        )

    async def _former(self) -> StoreIdentity:
        generation = self._identity.generation
        former = await read_generation(self._blobs, generation - 1) if generation else None
        if former is None or former.table not in self._storage.sides.tables:
            raise NotFoundError("no vectors of before are kept; there is nothing to go back to or to drop")
        return former

    async def _drop(self) -> None:
        await self._former()
        gone = await self._storage.sides.drop(())
        logger.info("former vectors dropped", extra={"tables": gone})

    def _start(self, work: Coroutine[None, None, Builder]) -> asyncio.Task[Builder]:
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self.on_ready())
        return task

    async def _build(self, job: Job) -> Builder:
        embedding = await self._load(job.model)
        target = StoreIdentity(embedding.model, embedding.dimension, job.generation + 1, job.table)
        copy = EntryCopy(self._storage, target)
        given = GivenEntries(self._storage, embedding, Positions(self._storage), lambda: datetime.now(UTC))
        builder = Builder(copy, given, embedding, self._check)
        logger.info("re-embedding", extra={"operation": job.operation_id, "model": job.model, "table": job.table})
        await builder.build(job.since, job.started)
        return builder

    @staticmethod
    async def _approach(builder: Builder) -> Builder:
        await builder.approach()
        return builder

    async def _finish(self, job: Job, builder: Builder) -> bool:
        """Take the new table into use, if it is as good as complete."""
        if not await builder.is_close():
            # Much was written while the copy was checked.
            self._task = self._start(self._approach(builder))
            return False
        entries = await builder.settle()
        following = await builder.identity(self._identity)
        await self._blobs.sync()
        await self._advance(following)
        logger.info("new vectors in use", extra={"model": following.model, "generation": following.generation})
        try:
            await self._end(job, End(job.model, following.generation, entries))
            await self._storage.sides.drop((following.table, self._identity.table))
        except TransientError as error:
            fields = {"operation": job.operation_id, "error": describe(error)}
            logger.warning("the end of a re-embedding is recorded by the next writer", extra=fields)
        return True

    async def _advance(self, following: StoreIdentity) -> None:
        """Make the new table the one that counts. Raises `ReembedError` if another one does by now."""
        failures = 0
        while True:
            self._check()
            try:
                if await advance_identity(self._blobs, following):
                    return
                found = await read_generation(self._blobs, following.generation)
                break
            except StorageUnavailableError as error:
                failures += 1
                logger.warning("the switch to new vectors waits", extra={"error": describe(error)})
                await asyncio.sleep(back_off(failures))
        if found != following:
            raise ReembedError("another process moved the store on; the new vectors are not used")

    async def _fail(self, job: Job, error: Exception) -> None:
        logger.error("re-embedding failed", exc_info=error, extra={"operation": job.operation_id})
        await self._end(job, End(job.model, 0, 0, describe(error)))
        if job.action is ReembedAction.START:
            kept = [name for name in self._storage.sides.tables if name != job.table]
            await self._storage.sides.drop(kept)

    async def _end(self, job: Job, end: End) -> None:
        await self._jobs.end(job.operation_id, end)
        self._job, self._failures = None, 0

    @property
    def _identity(self) -> StoreIdentity:
        identity = self._storage.identity
        if identity is None:
            raise ReembedError("the store is not open")
        return identity

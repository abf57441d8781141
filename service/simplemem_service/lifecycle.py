"""The life of a process: starts its parts in the background, keeps them going, and ends them in order.

The HTTP server runs from the first moment, so that /livez answers while libraries and weights load. No failure of a
part ends the process: it is told at /readyz with its reason and tried again.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from simplemem_api.conditions import Reason
from simplemem_service.api.tokens import Tokens
from simplemem_service.canary import CHECK as WRITE_PATH
from simplemem_service.canary import Canary
from simplemem_service.certificates import Certificates, list_endpoints
from simplemem_service.config import Config, Role
from simplemem_service.constants import (
    FORMER_PARTS_KEPT,
    GENERATION_POLL,
    INDEX_LEAST_PAUSE,
    INDEX_POLL,
    INDEX_POLL_IDLE,
    STATISTICS_BUCKET,
    STATISTICS_INTERVAL,
    STORAGE_CHECK,
    STORAGE_CHECK_BUCKET,
    STORAGE_CHECK_FAILING,
)
from simplemem_service.errors import IdentityMismatchError, ModelNotFoundError, StorageUnavailableError
from simplemem_service.generations import Generations
from simplemem_service.health import Health, describe, failure_reason, storage_reason
from simplemem_service.parts import Parts
from simplemem_service.rate import Rate
from simplemem_service.retry import back_off
from simplemem_service.storage.base import StoreCounts
from simplemem_service.telemetry import Metrics
from simplemem_service.usage import Usage
from simplemem_service.vitals import Vitals
from simplemem_service.waiting import wait_at_most

if TYPE_CHECKING:
    from simplemem_service.embedding.base import Embedding
    from simplemem_service.ingest.worker import Worker
    from simplemem_service.llm.base import LanguageModel
    from simplemem_service.storage.blobs import BlobStore

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

REQUIRED = {
    Role.ALL: ("storage", "embedding", "index"),
    Role.RETRIEVAL: ("storage", "embedding", "index"),
    Role.INGEST: ("storage", "embedding", "ingest"),
    Role.EMBEDDING: ("embedding",),
}
"""Checks without which a pod of a role is not ready."""


class Service:
    """The running service of a process.

    Parameters
    ----------
    config
        The settings of the process.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        has_canary = config.canary_seconds > 0 and config.role.serves
        informative = ("ingest",) if config.role is Role.ALL else ()
        self.health = Health(REQUIRED[config.role], (*informative, *((WRITE_PATH,) if has_canary else ())))
        self.metrics = Metrics()
        self.canary = self._create_canary() if has_canary else None
        self.usage: Usage | None = None
        self._vitals = Vitals()
        is_required = config.store.access.token_secret_name is not None
        self.tokens = Tokens(config.tokens, is_required=is_required, expiry=self.metrics.token_expiry_timestamp_seconds)
        expiry = self.metrics.certificate_expiry_timestamp_seconds
        self._certificates = Certificates(list_endpoints(config), expiry)
        self.generations = Generations(config, self.metrics)
        self.embedding: Embedding | None = None
        self.parts: Parts | None = None
        self.searches = 0
        self.encoding = 0
        self.encoded = Rate()
        self.counts = StoreCounts(entries=0, turns=0, size_bytes=0)
        self._worker: Worker | None = None
        self._commits = 0
        self._look_after = 0.0
        self._awaited = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_bucket = config.store.storage.s3 is not None

    def _create_canary(self) -> Canary:
        interval = timedelta(seconds=self.config.canary_seconds)
        return Canary(lambda: self.parts, self.health, self.metrics, hurry=self.hurry, interval=interval)

    async def start(self) -> None:
        """Begin to start; returns at once."""
        await asyncio.to_thread(self.tokens.refresh)
        self._spawn(self.tokens.run())
        self._spawn(self._certificates.run())
        self._spawn(self._open())

    async def stop(self) -> None:
        """End: the batch in progress is finished, the rest stays in the journal."""
        self.health.is_draining = True
        if self._worker is not None:
            await self._worker.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.usage is not None:
            await self.usage.flush()
        if self.parts is not None:
            if self.parts.used is not None:
                await self.parts.used.flush()
            if self.parts.retriever is not None:
                await asyncio.to_thread(self.parts.retriever.close)
            await self.parts.storage.close()
            await self.parts.blobs.close()
        await self.generations.close()

    def hurry(self) -> None:
        """Look for a new version of the table now: one was written, or somebody waits for it."""
        self._awaited.set()

    @property
    def index_version(self) -> int:
        """Version of the table that searches here see."""
        follower = self.parts.follower if self.parts else None
        return (follower.version or 0) if follower else 0

    @property
    def dimension(self) -> int | None:
        """Length of the model's vectors; None until it is loaded."""
        return self.embedding.dimension if self.embedding is not None and self.health.is_open else None

    def lag(self, entries: int) -> int:
        """Entries of the table that searches here do not see yet."""
        follower = self.parts.follower if self.parts else None
        return max(entries - len(follower.views.catalogue), 0) if follower else 0

    @property
    def pending_turns(self) -> int | None:
        """Accepted turns that are not searchable yet; None where another pod knows."""
        return self._worker.pending_turns if self._worker else None

    def figures(self) -> dict[str, int]:
        """What the operator shows in the status of the store."""
        figures: dict[str, int] = {}
        if self.health.is_open and self.parts is not None:
            figures = {"entries": self.counts.entries, "storage_bytes": self.counts.size_bytes}
            figures |= self._vitals.figures()
        if self.usage is not None:
            figures |= self.usage.figures()
        if self.pending_turns is not None:
            figures["pending_turns"] = self.pending_turns
        worker = self.parts.worker if self.parts else None
        if worker is not None:
            figures["oldest_pending_seconds"] = int(worker.oldest_pending_seconds(time.time_ns()))
            figures |= worker.figures()
        if self.config.role is Role.EMBEDDING:
            figures["texts_per_minute"] = self.encoded.per_minute()
        if self.canary is not None:
            figures |= self.canary.figures()
        return figures

    def _spawn(self, loop: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(loop)
        task.add_done_callback(_tell_death)
        self._tasks.append(task)

    async def _open(self) -> None:
        if self.config.role is Role.EMBEDDING:
            self.embedding = await self._load(self.generations.named)
            self._note_model()
        else:
            await self._open_store()
        self.health.is_open = True

    async def _open_store(self) -> None:
        blobs = await self._until("storage", self.generations.connect)
        self._spawn(self._check_storage(blobs))
        # Told before the storage is asked, which may take long to answer.
        self.health.fail("embedding", Reason.MODEL_LOADING, f"loading '{self.generations.named}'")
        await self._load(await self._until("storage", lambda: self.generations.model(blobs)))
        parts, self.embedding = await self._until("storage", lambda: self.generations.open(blobs, None))
        self._note_storage()
        self._note_model()
        self.parts = parts
        if parts.follower is not None:
            await self._until("index", self._catch_up)
        self._spawn(self._follow())
        self._start_worker(parts)
        if parts.model is not None:
            self._spawn(self._warm_up(parts.model))
        self.usage = Usage(parts.blobs, self.metrics, f"{socket.gethostname()}-{self.config.role}")
        self._spawn(self.usage.run())
        if parts.used is not None:
            self._spawn(parts.used.run())
        self._spawn(self._measure())
        if self.canary is not None:
            self._spawn(self.canary.run())

    def _start_worker(self, parts: Parts) -> None:
        self._worker = parts.worker
        if parts.worker is not None:
            parts.worker.on_commit = partial(self._note_commit, parts)
            parts.worker.on_end = self._look_now
            parts.worker.pace.is_busy = lambda: self.searches > 0
            self._spawn(parts.worker.run(self.health))

    def _note_commit(self, parts: Parts) -> None:
        self._commits += 1
        self.hurry()
        parts.bell.ring()

    def _look_now(self) -> None:
        """Look at once whether the store has moved on."""
        self._look_after = 0.0
        self.hurry()

    async def _keep_up(self) -> None:
        """Open the store again where a re-embedding has moved it on; until that works, this pod answers as before."""
        parts, now = self.parts, time.monotonic()
        if parts is None or now < self._look_after:
            return
        self._look_after = now + GENERATION_POLL.total_seconds()
        try:
            if await self.generations.has_moved(parts):
                await self._move(parts)
        except Exception as error:  # noqa: BLE001 - a pod that cannot follow answers as before and tries again
            logger.warning("new vectors not in use here", extra={"error": describe(error)})
            model = self.embedding.model if self.embedding else ""
            message = f"answers with '{model}' until the new vectors can be used: {describe(error)}"
            self.health.succeed("embedding", Reason.MODEL_MISMATCH, message)

    async def _move(self, former: Parts) -> None:
        """Build everything anew beside what answers now, and take it into use in one step."""
        parts, embedding = await self.generations.open(former.blobs, former)
        if self._worker is not None and self._worker is former.worker:
            await self._worker.stop()
            self._start_worker(parts)
        if parts.follower is not None:
            await parts.follower.catch_up()
        self.parts, self.embedding = parts, embedding
        self._note_model()
        logger.info("store moved on", extra={"model": embedding.model, "generation": parts.generation})
        self._spawn(self._retire(former, embedding.model))

    async def _retire(self, former: Parts, model: str) -> None:
        """Let go of the generation before, once the searches that began with it have ended."""
        try:
            await asyncio.sleep(FORMER_PARTS_KEPT.total_seconds())
        finally:
            # Also where the process ends before: threads left behind would keep it from ending.
            if former.retriever is not None:
                await asyncio.to_thread(former.retriever.close)
            await former.storage.close()
        job = await self.parts.jobs.current() if self.parts is not None and self.parts.jobs is not None else None
        await self.generations.pool.keep({model, job.model} if job is not None else {model})

    @staticmethod
    async def _warm_up(model: LanguageModel) -> None:
        await model.warm_up()

    async def _load(self, model: str) -> Embedding:
        self.health.fail("embedding", Reason.MODEL_LOADING, f"loading '{model}'")
        return await self._until("embedding", lambda: self.generations.load(model))

    def _note_model(self) -> None:
        if self.embedding is None:
            return
        model, named = self.embedding.model, self.generations.named
        message = f"{model}, {self.embedding.dimension} dimensions"
        if model == named:
            self.health.succeed("embedding", Reason.MODEL_LOADED, message)
            return
        message += f"; the MemoryStore names '{named}', which is used after `simplemem reembed --model {named}`"
        self.health.succeed("embedding", Reason.MODEL_MISMATCH, message)

    async def _until(self, check: str, call: Callable[[], Awaitable[Result]]) -> Result:
        """Call until it succeeds, telling each failure at /readyz."""
        failures = 0
        while True:
            try:
                return await call()
            except Exception as error:  # noqa: BLE001 - a part that cannot start is told and tried again
                failures += 1
                name = "embedding" if isinstance(error, IdentityMismatchError | ModelNotFoundError) else check
                found = failure_reason(error, is_bucket=self._is_bucket)
                if self.health.fail(name, found, describe(error)):
                    logger.warning(
                        "part cannot start", extra={"part": check, "reason": found, "error": describe(error)}
                    )
                await asyncio.sleep(back_off(failures))

    async def _catch_up(self) -> None:
        if self.parts is not None and self.parts.follower is not None:
            await self.parts.follower.catch_up()
            self.health.succeed("index", Reason.READY, "the views follow the table")

    async def _tidy(self) -> bool:
        """Take some of the words of removed entries out of the index's files; whether there was something to do."""
        follower = self.parts.follower if self.parts is not None else None
        if follower is None or follower.is_tidy:
            return False
        await follower.tidy()
        return True

    async def _follow(self) -> None:
        pause = INDEX_POLL
        is_untidy = False
        while True:
            await asyncio.sleep(INDEX_LEAST_PAUSE.total_seconds())
            if not is_untidy:
                await wait_at_most(self._awaited, pause.total_seconds())
            is_awaited = self._awaited.is_set()
            self._awaited.clear()
            await self._keep_up()
            is_untidy = await self._tidy()
            if not (is_awaited or await self._has_news()):
                pause = min(1.5 * pause, INDEX_POLL_IDLE)
                continue
            before = self.index_version
            await self._until("index", self._catch_up)
            pause = INDEX_POLL if self.index_version != before else min(1.5 * pause, INDEX_POLL_IDLE)

    async def _has_news(self) -> bool:
        """Whether the tables may have been written elsewhere; yes where that cannot be told or matters to nobody."""
        if self.parts is None or self.parts.follower is None or self.parts.follower.is_broken:
            return True
        try:
            return await self.parts.bell.has_rung()
        except StorageUnavailableError:
            return True

    async def _check_storage(self, blobs: BlobStore) -> None:
        while True:
            try:
                await blobs.check()
                self._note_storage()
                pause = STORAGE_CHECK_BUCKET if self._is_bucket else STORAGE_CHECK
            except StorageUnavailableError as error:
                if self.health.fail("storage", storage_reason(is_bucket=self._is_bucket), str(error)):
                    logger.warning("storage refuses", extra={"error": str(error)})
                pause = STORAGE_CHECK_FAILING
            await asyncio.sleep(pause.total_seconds())

    def _note_storage(self) -> None:
        reason = Reason.BUCKET_REACHABLE if self._is_bucket else Reason.VOLUME_BOUND
        self.health.succeed("storage", reason, "can be written")

    async def _measure(self) -> None:
        seen, read_at = None, 0.0
        while True:
            written = (self.index_version, self._commits)
            is_due = not self._is_bucket or written != seen
            if self.parts is not None and (is_due or time.monotonic() - read_at > STATISTICS_BUCKET.total_seconds()):
                seen, read_at = written, time.monotonic()
                try:
                    self.counts = await self.parts.storage.counts()
                    self._vitals.note_lag(self.lag(self.counts.entries))
                    await self._vitals.note_spend(self.parts.budget)
                except StorageUnavailableError as error:
                    seen = None
                    logger.debug("figures not read", extra={"error": str(error)})
            self._publish()
            await asyncio.sleep(STATISTICS_INTERVAL.total_seconds())

    def _publish(self) -> None:
        metrics = self.metrics
        metrics.entries.set(self.counts.entries)
        metrics.turns.set(self.counts.turns)
        metrics.storage_bytes.set(self.counts.size_bytes)
        metrics.ready.set(self.health.is_ready)
        metrics.index_lag_rows.set(self.lag(self.counts.entries))
        if self._worker is not None:
            metrics.pending_turns.set(self._worker.pending_turns)
            metrics.oldest_pending_seconds.set(self._worker.oldest_pending_seconds(time.time_ns()))


def _tell_death(task: asyncio.Task[None]) -> None:
    """Log a loop that ended by an error, which none should: unsaid, its pod would wait for ever."""
    if not task.cancelled() and task.exception() is not None:
        logger.critical("background loop died", exc_info=task.exception(), extra={"loop": task.get_name()})

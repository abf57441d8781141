"""The writer's part in a backup: it begins the one asked for, pauses for its moment, and records how it ended.

All else happens beside the writer. A copy that fails, or a place that does not answer, is told at /readyz and holds up
nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from simplemem_api.conditions import Reason
from simplemem_api.resolved import ResolvedBackup, ResolvedS3
from simplemem_service.backup.copies import prune
from simplemem_service.backup.copy import Copy, Pinned
from simplemem_service.backup.place import CopyPlace
from simplemem_service.backup.records import Backup, Backups, BackupState, stamp
from simplemem_service.errors import BackupError, LeaseLostError, ServiceError
from simplemem_service.health import Health, describe
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.lance import LanceStorage

logger = logging.getLogger(__name__)

CHECK = "backup"
"""Name of the check at /readyz."""
TELL_SECONDS = 1.0
"""Least time between two records of the progress, in seconds."""
BEGINNINGS_MAX = 3
"""How often a backup is begun whose writer ends under it, before it ends Failed: it might be what ends the writer."""


class BackupJob:
    """Makes the backups of the one writer.

    Parameters
    ----------
    storage, blobs
        The store.
    store
        Its `namespace/name`.
    target
        How many copies stay.
    place
        Where they go.
    check
        Returns if this process may write; raises `LeaseLostError`.
    look_seconds
        How often a backup asked for elsewhere is looked for, in seconds.
    own
        The store's own place in a bucket, which the copies must lie outside of; None: a volume.
    clock
        The present time, aware.
    """

    def __init__(
        self,
        storage: LanceStorage,
        blobs: BlobStore,
        store: str,
        target: ResolvedBackup,
        place: CopyPlace,
        *,
        check: Callable[[], None],
        look_seconds: float,
        own: ResolvedS3 | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._storage = storage
        self._blobs = blobs
        self._store = store
        self._target = target
        self._place = place
        self._check = check
        self._look_seconds = look_seconds
        self._own = own
        self._clock = clock
        self._backups = Backups(blobs, clock)
        self._next_look = 0.0
        self._is_told = False
        self._last_good = 0
        self._current: Backup | None = None
        self._task: asyncio.Task[Backup] | None = None
        self._copy: Copy | None = None
        self._moment: asyncio.Future[Pinned] | None = None
        self._progress = ("", 0, 0)
        self.on_ready: Callable[[], None] = lambda: None
        """Called when the writer has something to do here."""

    def figures(self) -> dict[str, int]:
        """When the last good copy was complete, in seconds since 1970; nothing before the first."""
        return {"last_backup_seconds": self._last_good} if self._last_good else {}

    async def step(self, health: Health) -> None:
        """Do what is due between two batches."""
        try:
            self._check()
        except LeaseLostError:
            await self.pause()
            return
        try:
            if not self._is_told:
                await self._tell(health)
            await self._step(health)
        except ServiceError as error:
            # The store itself does not answer, which its own checks tell.
            logger.warning("backup waits", extra={"error": describe(error)})

    async def pause(self) -> None:
        """Stop; the next writer, or step, begins anew."""
        task, self._task, self._is_told = self._task, None, False
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
            self._release()

    async def _step(self, health: Health) -> None:
        if self._task is None:
            await self._look(health)
        elif self._moment is not None and not self._moment.done() and self._copy is not None:
            await self._pin(self._copy, self._moment)
        elif self._task.done() and self._current is not None:
            current, task = self._current, self._task
            ended = self._outcome(current, task)
            await self._backups.end(ended)
            self._task = None
            self._release()
            await self._tell(health)

    async def _look(self, health: Health) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._next_look:
            return
        self._next_look = now + self._look_seconds
        asked = await self._backups.current()
        if asked is None:
            return
        if await self._backups.begin(asked) > BEGINNINGS_MAX:
            error = f"the writer ended {BEGINNINGS_MAX} times while it copied; its log tells more"
            await self._backups.end(self._failed(asked, error))
            await self._tell(health)
            return
        self._current = replace(asked, state=BackupState.RUNNING, place=self._place.url(asked.backup_id))
        self._moment = None
        self._copy = Copy(
            asked.backup_id,
            self._store,
            self._storage,
            self._blobs,
            self._place,
            report=self._note,
            clock=self._clock,
        )
        logger.info("backup begun", extra={"backup": asked.backup_id, "place": self._current.place})
        self._task = asyncio.create_task(self._run(self._copy, self._current))
        self._task.add_done_callback(lambda _: self.on_ready())

    @staticmethod
    async def _pin(copy: Copy, moment: asyncio.Future[Pinned]) -> None:
        try:
            moment.set_result(await copy.pin())
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the copy and not the writer
            moment.set_exception(error)

    async def _run(self, copy: Copy, backup: Backup) -> Backup:
        refuse_within(self._place.s3, self._own)
        telling = asyncio.create_task(self._tell_progress(backup))
        try:
            await copy.begin()
            self._moment = asyncio.get_running_loop().create_future()
            self.on_ready()
            manifest = await copy.finish(await self._moment)
            removed = await prune(self._place, self._store, self._target.keep)
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError, ServiceError):
                await telling
        return replace(
            backup,
            state=BackupState.SUCCEEDED,
            ended_at=stamp(self._clock()),
            entries=manifest.rows("entries"),
            turns=manifest.rows("turns"),
            pending_turns=manifest.pending_turns,
            size_bytes=manifest.size_bytes,
            removed=tuple(removed),
        )

    def _outcome(self, current: Backup, task: asyncio.Task[Backup]) -> Backup:
        try:
            ended = task.result()
        except Exception as error:
            trace = None if isinstance(error, ServiceError) else error
            logger.warning(
                "backup failed", exc_info=trace, extra={"backup": current.backup_id, "error": describe(error)}
            )
            return self._failed(current, describe(error))
        logger.info("backup succeeded", extra={"backup": ended.backup_id, "entries": ended.entries})
        return ended

    def _failed(self, backup: Backup, error: str) -> Backup:
        return replace(backup, state=BackupState.FAILED, ended_at=stamp(self._clock()), error=error[:1024])

    def _release(self) -> None:
        self._storage.unpin()
        self._copy, self._moment, self._current = None, None, None

    def _note(self, phase: str, done: int, total: int) -> None:
        self._progress = (phase, done, total)

    async def _tell_progress(self, backup: Backup) -> None:
        told = None
        while True:
            phase, done, total = self._progress
            if told != self._progress:
                told = self._progress
                await self._backups.tell(replace(backup, phase=phase, done=done, total=total))
            await asyncio.sleep(TELL_SECONDS)

    async def _tell(self, health: Health) -> None:
        """Say at /readyz how the last backup ended."""
        last, good = await self._backups.last()
        self._is_told = True
        health.add(CHECK)
        if good is not None:
            self._last_good = int(datetime.strptime(good.ended_at, "%Y-%m-%dT%H:%M:%S%z").timestamp())
        if last is None:
            health.succeed(CHECK, Reason.NO_BACKUP_YET, f"no copy yet; the schedule is '{self._target.schedule}'")
        elif last.state is BackupState.SUCCEEDED:
            told = f"copy {last.backup_id}: {last.entries} entries, {last.turns} turns at {last.place}"
            health.succeed(CHECK, Reason.BACKED_UP, told)
        else:
            before = f"; the last good copy is of {good.ended_at}" if good is not None else "; there is no good copy"
            health.fail(CHECK, Reason.BACKUP_FAILED, f"{last.error}{before}")


def refuse_within(place: ResolvedS3, own: ResolvedS3 | None) -> None:
    """Raise `BackupError` if copies would lie among the files of the store: each would hold all those before."""
    if own is None or (place.bucket, place.endpoint) != (own.bucket, own.endpoint):
        return
    if not own.prefix or f"{place.prefix}/".startswith(f"{own.prefix}/"):
        told = f"spec.backup.s3.prefix '{place.prefix}' lies within the store's own '{own.prefix}'; name one outside"
        raise BackupError(told)

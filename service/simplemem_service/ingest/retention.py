"""Forgets what the MemoryStore wants forgotten: entries of some age, and entries that nobody found for some time.

The writer looks through the table once an hour, a page between two batches, and accepts removals of what is due like
those of a caller: durable, one user each, with history and receipt. Age counts from when the store first held the entry
(`created_at`), not from when it was said: history that is imported today is not forgotten tomorrow.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from simplemem_api.resolved import ResolvedRetention
from simplemem_service.errors import LeaseLostError, ServiceError
from simplemem_service.health import Health
from simplemem_service.ingest.journal import Journal
from simplemem_service.ingest.used_days import UsedDaysReader, digest
from simplemem_service.models.entry import Entry
from simplemem_service.models.operation import DeletePayload, Operation
from simplemem_service.storage.base import Storage
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.telemetry import Metrics

logger = logging.getLogger(__name__)

INTERVAL = timedelta(hours=1)
"""How often the table is looked through."""
AGAIN = timedelta(minutes=1)
"""When it is tried again after a failure."""
PAGE = 5000
"""Entries looked at between two batches, .2 s of a million."""
AT_ONCE = 500
"""Entries that one removal names."""
MOST = 20_000
"""Entries that one look removes, so that a store that begins to forget still remembers; the next look goes on."""
MAX_AGE, UNUSED = "maxAgeDays", "unusedDays"
"""The settings, as the metric names them."""


@dataclass(slots=True)
class _Look:
    """One way through the table."""

    now: datetime
    """When it began."""
    since: date
    """From which day on it is known what is found."""
    used: Mapping[str, int]
    """Ordinal of the day on which an entry was last found, by the digest of its id."""
    after: int = -1
    """Position of the last entry that was looked at."""
    removed: int = 0
    """Entries that are due."""


class Retention:
    """Removes what is due; a chore of the writer.

    Parameters
    ----------
    storage, journal, blobs, metrics
        What it works with.
    settings
        What is forgotten.
    check
        Returns if this process may write; raises `LeaseLostError`.
    clock
        The present time, aware.
    """

    def __init__(
        self,
        storage: Storage,
        journal: Journal,
        blobs: BlobStore,
        metrics: Metrics,
        settings: ResolvedRetention,
        *,
        check: Callable[[], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._storage = storage
        self._journal = journal
        self._days = UsedDaysReader(blobs)
        self._metrics = metrics
        self._settings = settings
        self._check = check
        self._clock = clock
        self._look: _Look | None = None
        self._next = 0.0
        self._is_tidy = settings.unused_days is not None
        self.on_ready: Callable[[], None] = lambda: None

    async def step(self, health: Health) -> None:
        """Look at a page where that is due; a failure holds up nothing else."""
        del health
        now = asyncio.get_running_loop().time()
        is_asked = self._settings.max_age_days is not None or self._settings.unused_days is not None
        if now < self._next or (self._is_tidy and not is_asked):
            return
        try:
            self._check()
            if not self._is_tidy:
                await self._days.drop()
                self._is_tidy = True
            if is_asked:
                await self._work()
        except LeaseLostError:
            self._look = None
        except ServiceError as error:
            self._look, self._next = None, now + AGAIN.total_seconds()
            logger.warning("nothing forgotten", extra={"error": str(error)})

    async def pause(self) -> None:
        """Nothing runs beside the writer."""

    def figures(self) -> Mapping[str, int]:
        """Nothing that the operator judges by."""
        return {}

    async def _work(self) -> None:
        look = self._look = self._look or await self._begin()
        page = await self._storage.entries_created_before(self._latest(look.now), after=look.after, limit=PAGE)
        due: dict[str, list[str]] = defaultdict(list)
        for entry in page:
            rule = self._rule(entry, look)
            if rule and look.removed < MOST:
                due[entry.user_id].append(entry.entry_id)
                look.removed += 1
                self._metrics.forgotten_entries_total.labels(rule=rule).inc()
        for user_id, entry_ids in due.items():
            await self._remove(user_id, entry_ids)
        if len(page) < PAGE or look.removed >= MOST:
            if look.removed:
                logger.info("entries forgotten", extra={"entries": look.removed})
            self._look, self._next = None, asyncio.get_running_loop().time() + INTERVAL.total_seconds()
        else:
            look.after = page[-1].position
            self.on_ready()

    async def _begin(self) -> _Look:
        now = self._clock().astimezone(UTC)
        unused = self._settings.unused_days
        if unused is None:
            return _Look(now, now.date(), {})
        return _Look(
            now,
            await self._days.since(now.date()),
            await self._days.last_days(now.date() - timedelta(days=unused)),
        )

    def _latest(self, now: datetime) -> datetime:
        """No entry that was first held after it is due."""
        days = [days for days in (self._settings.max_age_days, self._settings.unused_days) if days is not None]
        return now - timedelta(days=min(days))

    def _rule(self, entry: Entry, look: _Look) -> str:
        """The setting by which an entry is due; empty where it stays."""
        held, settings = entry.created_at, self._settings
        if held is None:
            return ""
        if settings.max_age_days is not None and held < look.now - timedelta(days=settings.max_age_days):
            return MAX_AGE
        if settings.unused_days is None:
            return ""
        last = max(held.date().toordinal(), look.since.toordinal(), look.used.get(digest(entry.entry_id), 0))
        return UNUSED if last < look.now.date().toordinal() - settings.unused_days else ""

    async def _remove(self, user_id: str, entry_ids: Sequence[str]) -> None:
        for start in range(0, len(entry_ids), AT_ONCE):
            payload = DeletePayload(tuple(entry_ids[start : start + AT_ONCE]))
            await self._journal.append(Operation(user_id, "", (), self._clock(), payload=payload))

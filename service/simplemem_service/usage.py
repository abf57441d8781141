"""How much a store is used: turns and questions by day, durable and summed over all pods, whichever come and go.

Each process writes what it counted on a day under a new number and removes the number before, as the ledger of
spending does (`llm/ledger.py`); a day without any use is written once, so that it counts as a day that was looked at.
What is told are whole days only, which change once a day: the operator compares them with the tiers.

    usage/<day>.<process>.<number>.json
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.writer_names import draw_process, latest_by_stem, numbered
from simplemem_service.telemetry import Metrics

logger = logging.getLogger(__name__)

FOLDER = "usage"
"""Where the days lie."""
FLUSH = timedelta(minutes=5)
"""How often they are written, if anything happened: what a kill may leave uncounted, and 4 cents a month in S3."""
REFRESH = timedelta(hours=1)
"""How often the days of all pods are read again: yesterday's may come late."""
WEEK = timedelta(days=7)
"""How many whole days are told."""
PARTS = 4
"""Parts of a name: day, process, number, json."""
TURNS = "simplemem_ingest_turns_total"
"""Metric of turns that became searchable."""
QUERIES = "simplemem_retrieve_seconds_count"
"""Metric of questions that were answered."""
DIGITS = 2
"""Digits of what is told: more would be news to the operator without telling it more."""


@dataclass(frozen=True, slots=True)
class Use:
    """What happened within some time."""

    turns: int = 0
    """Turns that became searchable."""
    queries: int = 0
    """Questions that were answered."""

    def __add__(self, other: Use) -> Use:
        return Use(self.turns + other.turns, self.queries + other.queries)

    def __sub__(self, other: Use) -> Use:
        return Use(self.turns - other.turns, self.queries - other.queries)


@dataclass(frozen=True, slots=True)
class Week:
    """The whole days of the last week that are known."""

    days: int = 0
    """How many; the first day of a store is none, since it may be short."""
    use: Use = Use()
    """What happened on them."""


class Usage:
    """Counts the use of a store.

    Parameters
    ----------
    blobs
        Where it is kept.
    metrics
        What this process counts.
    pod
        Name of this pod; the rest of the name is drawn at each start.
    clock
        The time, aware.
    """

    def __init__(
        self, blobs: BlobStore, metrics: Metrics, pod: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._blobs = blobs
        self._metrics = metrics
        self._process = draw_process(pod)
        self._clock = clock
        self._day = ""
        self._counted = Use()
        self._own = Use()
        self._written: Use | None = None
        self._number = 0
        self._known: dict[str, Use] = {}
        self._read_at: datetime | None = None
        self.week = Week()
        """The last whole days of all pods."""

    def figures(self) -> dict[str, int]:
        """What the operator judges by."""
        use = self.week.use
        return {
            "week_days": self.week.days,
            "week_turns": rounded(use.turns),
            "week_queries": rounded(use.queries),
        }

    async def run(self) -> None:
        """Count for ever."""
        while True:
            await self.flush()
            await asyncio.sleep(FLUSH.total_seconds())

    async def flush(self) -> None:
        """Write what was counted, and read the week where it may have changed; what fails is done at the next time."""
        now = self._clock().astimezone(UTC)
        today = now.date().isoformat()
        self._count()
        try:
            if self._day not in ("", today):
                # What was counted since the last time belongs to the day before, minutes at most.
                await self._write()
                self._own, self._written, self._number, self._read_at = Use(), None, 0, None
            self._day = today
            await self._write()
            if self._read_at is None or now - self._read_at >= REFRESH:
                await self._read(now.date())
                self._read_at = now
        except StorageUnavailableError as error:
            logger.warning("use of the store not written", extra={"error": str(error)})

    def _count(self) -> None:
        registry = self._metrics.registry
        found = Use(*(int(registry.get_sample_value(name) or 0) for name in (TURNS, QUERIES)))
        self._own += found - self._counted
        self._counted = found

    async def _write(self) -> None:
        if self._own == self._written:
            return
        own, number = self._own, self._number + 1
        await self._blobs.put_new(self._blob(number), json.dumps(asdict(own)).encode())
        self._written, self._number = own, number
        if number > 1:
            await self._blobs.delete(self._blob(number - 1))

    async def _read(self, today: date) -> None:
        """Sum up the week, and remove what is older."""
        oldest = (today - WEEK - timedelta(days=1)).isoformat()
        names = [name for name in await self._blobs.list_names(FOLDER) if len(name.split(".")) == PARTS]
        for name in names:
            if name < oldest:
                await self._blobs.delete(f"{FOLDER}/{name}")
        whole = latest_by_stem(name for name in names if oldest <= name < today.isoformat())
        self._known = {name: self._known.get(name) or await self._get(name) for name in whole.values()}
        self.week = sum_week(self._known, today)

    async def _get(self, name: str) -> Use:
        data = await self._blobs.get(f"{FOLDER}/{name}")
        try:
            return Use(**json.loads(data or b"{}"))
        except (ValueError, TypeError) as error:
            logger.warning("use of a day is damaged", extra={"blob": name, "error": str(error)})
            return Use()

    def _blob(self, number: int) -> str:
        return f"{FOLDER}/{numbered(f'{self._day}.{self._process}', number)}"


def sum_week(use_by_name: dict[str, Use], today: date) -> Week:
    """The whole days of the last week, without the first day of all."""
    first = min(use_by_name, default="")[:10]
    since = (today - WEEK).isoformat()
    chosen = {name: use for name, use in use_by_name.items() if name[:10] >= since and name[:10] > first}
    return Week(len({name[:10] for name in chosen}), sum(chosen.values(), Use()))


def rounded(number: int) -> int:
    """A number with its first two digits, the rest zeros."""
    return int(float(f"{number:.{DIGITS - 1}e}"))

"""What language models have cost this month, durable and summed over all pods of a store.

Blobs are written once and never changed, so a process writes its running totals under a new number after each paid
call and removes the number before. The sum of a month is that of the highest number of each process, whichever pods
come and go. A month is a calendar month in UTC.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.writer_names import draw_process, latest_by_stem, numbered

logger = logging.getLogger(__name__)

FOLDER = "spend"
"""Where the ledger lies, a folder a month."""
REFRESH = timedelta(seconds=60)
"""How old the totals of other pods may be: as long as one pod may go on spending after another reached the budget."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was asked of a model, and what that cost."""

    calls: int = 0
    """Replies received."""
    input_tokens: int = 0
    """Tokens read."""
    output_tokens: int = 0
    """Tokens written."""
    usd: float = 0.0
    """US dollars, as far as a price is known."""
    unpriced_calls: int = 0
    """Replies of it that no catalogue has a price for."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.usd + other.usd,
            self.unpriced_calls + other.unpriced_calls,
        )


Totals = Mapping[str, Usage]
"""Usage by model."""


class Ledger:
    """The spending of a store.

    Parameters
    ----------
    blobs
        Where it is kept.
    pod
        Name of this pod; the rest of the name is drawn at each start.
    clock
        The time, aware.
    """

    def __init__(
        self, blobs: BlobStore, pod: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._blobs = blobs
        self._process = draw_process(pod)
        self._clock = clock
        self._month = ""
        self._own: dict[str, Usage] = {}
        self._others: Totals = {}
        self._read_at: float | None = None
        self._number = 0
        self._written = 0
        self._unwritten = False
        self._lock = asyncio.Lock()

    @property
    def month(self) -> str:
        """The month that is summed, such as 2026-03."""
        return self._clock().astimezone(UTC).strftime("%Y-%m")

    async def record(self, model: str, usage: Usage) -> None:
        """Add a call; durable on return, unless the storage refuses, in which case the next call makes up for it."""
        self._turn_month()
        self._own[model] = self._own.get(model, Usage()) + usage
        self._unwritten = True
        async with self._lock:
            if self._unwritten:
                try:
                    await self._write()
                except StorageUnavailableError as error:
                    logger.warning("spending not written", extra={"error": str(error)})

    async def totals(self) -> Totals:
        """Usage of this month by model, all pods together, other pods' at most `REFRESH` old.

        Raises `StorageUnavailableError` only while nothing has been read yet: a budget must not be forgotten.
        """
        self._turn_month()
        if self._read_at is None or time.monotonic() - self._read_at > REFRESH.total_seconds():
            try:
                self._others = await self._read_others()
                self._read_at = time.monotonic()
            except StorageUnavailableError:
                if self._read_at is None:
                    raise
        return merge_totals((self._others, self._own))

    def _turn_month(self) -> None:
        if self.month != self._month:
            self._month = self.month
            self._own, self._others, self._read_at, self._number, self._written = {}, {}, None, 0, 0

    async def _write(self) -> None:
        self._unwritten = False
        month, self._number = self._month, self._number + 1
        number, before = self._number, self._written
        data = json.dumps({model: asdict(usage) for model, usage in self._own.items()}).encode()
        try:
            await self._blobs.put_new(self._blob(month, number), data)
        except StorageUnavailableError:
            self._unwritten = True
            raise
        if month == self._month:
            self._written = number
        if before:
            await self._blobs.delete(self._blob(month, before))

    async def _read_others(self) -> Totals:
        folder = f"{FOLDER}/{self._month}"
        latest = latest_by_stem(await self._blobs.list_names(folder))
        latest.pop(self._process, None)
        found = await asyncio.gather(*(self._blobs.get(f"{folder}/{name}") for name in latest.values()))
        return merge_totals(_parse(data) for data in found if data)

    def _blob(self, month: str, number: int) -> str:
        return f"{FOLDER}/{month}/{numbered(self._process, number)}"


def merge_totals(parts: Iterable[Totals]) -> dict[str, Usage]:
    """The sum of totals, by model."""
    total: dict[str, Usage] = {}
    for part in parts:
        for model, usage in part.items():
            total[model] = total.get(model, Usage()) + usage
    return total


def _parse(data: bytes) -> Totals:
    """The totals in a blob; one that is damaged counts nothing and is said."""
    try:
        return {str(model): Usage(**fields) for model, fields in json.loads(data).items()}
    except (ValueError, TypeError, AttributeError) as error:
        logger.warning("spending of a pod is damaged", extra={"error": str(error)})
        return {}

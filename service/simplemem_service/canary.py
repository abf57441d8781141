"""Proves every few minutes that what is said now is found in a moment: a turn of a reserved user goes the way that all
turns go, into the journal, through the one writer, into the index, and out of a search; then it is removed again.

Its entry is given and not compressed, so no language model is asked. The reserved user is closed to callers, and what
is listed, counted or exported for all users leaves it out (`storage/reserved.py`).

Of the pods that answer questions one does it at a time: each interval has a name in `canary/`, and who creates that
name first goes. The time of the last success lies beside it, so that every pod knows it and it survives restarts.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from simplemem_api.conditions import Reason
from simplemem_service.errors import ServiceError, WritePathError
from simplemem_service.health import Health, describe
from simplemem_service.models.entry import CANARY_USER
from simplemem_service.models.operation import (
    CanaryPayload,
    EntriesPayload,
    GivenEntry,
    GivenTurn,
    Operation,
    OperationState,
    Payload,
)
from simplemem_service.models.query import EntryFilter, Query
from simplemem_service.telemetry import Metrics

if TYPE_CHECKING:
    from simplemem_service.parts import Parts

logger = logging.getLogger(__name__)

CHECK = "write_path"
"""Name of the check at /readyz."""
FOLDER = "canary"
"""Where intervals and successes are noted."""
NOTED = ".json"
"""How the name of a success ends."""
SESSION = "canary"
"""Conversation of the turns."""
LEAST_PATIENCE = timedelta(seconds=60)
"""How long one turn may take at the least; longer intervals allow three of them, as behind a long import."""
PATIENCE_INTERVALS = 3
"""Intervals that one turn may take."""
POLL = timedelta(milliseconds=50)
"""How often it is looked whether the turn has come a step further."""
JITTER = 0.1
"""Share of the interval by which pods differ, so that they do not all ask for the same name at once."""
CONTEXT_TOKENS = 64
"""Room for the one entry that is asked for."""


@dataclass(frozen=True, slots=True)
class Success:
    """A turn that was found again."""

    at: int
    """When, seconds since 1970."""
    milliseconds: int
    """From before it was accepted until it was gone again."""


class Canary:
    """Writes a turn, finds it and removes it, again and again.

    Parameters
    ----------
    parts
        Gives what the process works with; None while it starts.
    health, metrics
        Where it is told how that went.
    hurry
        Makes the index look for what was written.
    interval
        From one turn to the next.
    clock
        Seconds since 1970.
    """

    def __init__(
        self,
        parts: Callable[[], Parts | None],
        health: Health,
        metrics: Metrics,
        *,
        hurry: Callable[[], None],
        interval: timedelta,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._parts = parts
        self._health = health
        self._metrics = metrics
        self._hurry = hurry
        self._interval = interval.total_seconds()
        self._patience = max(LEAST_PATIENCE.total_seconds(), PATIENCE_INTERVALS * self._interval)
        self._clock = clock
        self._since = int(clock())
        self.last: Success | None = None
        """The latest success of any pod, as far as this one knows."""

    def figures(self) -> dict[str, int]:
        """What the operator judges by: times in seconds since 1970, 0 for never."""
        figures = {"canary_interval_seconds": round(self._interval), "canary_since": self._since, "canary_at": 0}
        if self.last is not None:
            figures |= {"canary_at": self.last.at, "canary_milliseconds": self.last.milliseconds}
        return figures

    async def run(self) -> None:
        """Go on for ever; no failure ends it."""
        while True:
            parts = self._parts()
            if parts is not None:
                try:
                    await self.round(parts)
                except Exception as error:  # noqa: BLE001 - whatever fails is told, and tried again
                    self._fail(error)
            left = self._interval - self._clock() % self._interval
            await asyncio.sleep(left + random.uniform(0, JITTER) * self._interval)  # noqa: S311

    async def round(self, parts: Parts) -> bool:
        """Send one turn, unless another pod does so in this interval; whether it was sent and found."""
        names = await parts.blobs.list_names(FOLDER)
        await self._adopt(parts, names)
        name = f"{FOLDER}/{int(self._clock() // self._interval):012d}"
        if not await parts.blobs.put_new(name, b""):
            return False
        await self._tidy(parts, names)
        started = time.monotonic()
        await self._send(parts, started)
        success = Success(int(self._clock()), round((time.monotonic() - started) * 1000))
        self._note(success)
        await parts.blobs.put_new(f"{name}{NOTED}", json.dumps(asdict(success)).encode())
        return True

    async def _adopt(self, parts: Parts, names: list[str]) -> None:
        """Take over the latest success that any pod has noted."""
        noted = [name for name in names if name.endswith(NOTED)]
        data = await parts.blobs.get(f"{FOLDER}/{noted[-1]}") if noted else None
        if data is None:
            return
        success = Success(**json.loads(data))
        if self.last is None or success.at > self.last.at:
            self._note(success)

    @staticmethod
    async def _tidy(parts: Parts, names: list[str]) -> None:
        """Remove the names of former intervals; the latest success stays until there is a later one."""
        noted = [name for name in names if name.endswith(NOTED)]
        for name in names:
            if name not in noted[-1:]:
                await parts.blobs.delete(f"{FOLDER}/{name}")

    async def _send(self, parts: Parts, started: float) -> None:
        """Take one turn all the way. Raises `WritePathError` where it gets stuck."""
        entry_id, key = str(uuid.uuid4()), uuid.uuid4().hex
        text = f"The write path is checked with {key}."
        now = datetime.now(UTC)
        turn = GivenTurn(speaker="", text=text, id=key, timestamp=now, key=key)
        entry = GivenEntry(text, SESSION, entry_id, text=text, timestamp=now, sources=(key,))
        deadline = started + self._patience
        await self._apply(parts, (turn,), EntriesPayload((entry,)), deadline)
        if await self._find(parts, text) != entry_id:
            raise WritePathError("a turn was written and indexed, and a search does not find it")
        await self._apply(parts, (), CanaryPayload(entry_id), deadline)
        if await self._find(parts, text) == entry_id:
            raise WritePathError("a turn was removed, and a search still finds it")

    async def _apply(self, parts: Parts, turns: tuple[GivenTurn, ...], payload: Payload, deadline: float) -> None:
        """Have a change written and wait until searches here see it."""
        operation = Operation(CANARY_USER, SESSION, turns, datetime.now(UTC), payload=payload)
        operation_id = await parts.journal.append(operation)
        while time.monotonic() < deadline:
            result = (await parts.journal.read_operation(operation_id)).result
            if result is not None and result.state is OperationState.FAILED:
                raise WritePathError(f"the writer refuses a turn: {result.error}")
            # A re-embedding may have put others in the place of the parts of the beginning.
            follower = (self._parts() or parts).follower
            if result is not None and follower is not None and (follower.version or 0) >= result.version:
                return
            if result is not None:
                self._hurry()
            await asyncio.sleep(POLL.total_seconds())
        raise WritePathError(f"a turn was accepted and is not applied and indexed after {self._patience:.0f} s")

    async def _find(self, parts: Parts, text: str) -> str | None:
        """Id of the entry that a search gives first."""
        retriever = (self._parts() or parts).plain
        if retriever is None:
            return None
        query = Query(text, top_k=1, max_tokens=CONTEXT_TOKENS, filter=EntryFilter(user_id=CANARY_USER))
        found = await retriever.retrieve(query)
        return found.hits[0].entry.entry_id if found.hits else None

    def _note(self, success: Success) -> None:
        self.last = success
        self._metrics.canary_seconds.set(success.milliseconds / 1000)
        self._metrics.canary_last_success_timestamp_seconds.set(success.at)
        self._health.succeed(CHECK, Reason.WRITE_PATH_PROVEN, "a turn that was written has been found again")

    def _fail(self, error: Exception) -> None:
        self._metrics.canary_failures_total.inc()
        if self._health.fail(CHECK, Reason.WRITE_PATH_STALE, describe(error)):
            trace = None if isinstance(error, ServiceError) else error
            logger.warning("write path not proven", exc_info=trace, extra={"error": describe(error)})

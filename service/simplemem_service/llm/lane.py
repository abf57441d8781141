"""The traffic rules of one model: how many calls at a time and a minute, and when to leave it alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from simplemem_service.llm.prices import Price

CONCURRENT_CALLS = 8
"""Calls of one model at a time."""
REST_SECONDS = 30.0
"""How long a model that failed all its tries is left alone, in seconds: meanwhile it gets one try instead of several,
and none where somebody waits for the answer."""
LONGEST_WAIT_SECONDS = 60.0
"""Longest pause that a server may ask for, in seconds."""


class Lane:
    """One model.

    Parameters
    ----------
    model
        LiteLLM name.
    price
        What it costs; None where unknown.
    calls_per_minute
        Calls begun within a minute at most; 0: no limit.
    clock
        Seconds that only grow.
    """

    def __init__(self, model: str, price: Price | None, *, calls_per_minute: int, clock: Callable[[], float]) -> None:
        self.model = model
        self.price = price
        self._interval = 60.0 / calls_per_minute if calls_per_minute else 0.0
        self._clock = clock
        self._slots = asyncio.Semaphore(CONCURRENT_CALLS)
        self._next_call = 0.0
        self._rests_until = 0.0

    @property
    def is_resting(self) -> bool:
        """Whether it failed lately."""
        return self._clock() < self._rests_until

    @property
    def comparable_usd(self) -> float:
        """What models are compared by; one without a price counts as dearest."""
        return self.price.blended if self.price is not None else float("inf")

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until a call is allowed, and hold its place."""
        async with self._slots:
            now = self._clock()
            start = max(now, self._next_call)
            self._next_call = start + self._interval
            if start > now:
                await asyncio.sleep(start - now)
            yield

    def hold_back(self, seconds: float) -> None:
        """Begin no call for a while, since the server asked for it."""
        self._next_call = max(self._next_call, self._clock() + min(seconds, LONGEST_WAIT_SECONDS))

    def rest(self) -> None:
        """Note that it failed all its tries."""
        self._rests_until = self._clock() + REST_SECONDS

    def wake(self) -> None:
        """Note that it answered."""
        self._rests_until = 0.0

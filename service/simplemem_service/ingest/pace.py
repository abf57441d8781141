"""How work that nobody waits for gives way to searches, without being starved by them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

REST_SECONDS = 0.25
"""Longest time that a slice of background work waits for searches to end, in seconds: where they never cease, 200
entries are looked at every two seconds all the same."""
REST_POLL_SECONDS = 0.01
"""How often it looks whether they have, in seconds."""


class Pace:
    """When the next slice of background work may begin.

    Parameters
    ----------
    is_awaited
        Whether somebody waits for the work to be over: new turns, which come after it.
    """

    def __init__(self, is_awaited: Callable[[], bool] = lambda: False) -> None:
        self._is_awaited = is_awaited
        self.is_busy: Callable[[], bool] = lambda: False
        """Whether searches are under way in this process."""
        self.is_ending = False
        """Whether the process ends, and nothing more should be begun."""

    async def rest(self) -> None:
        """Let others run; wait for the end of searches, but not for ever."""
        loop = asyncio.get_running_loop()
        until = loop.time() + REST_SECONDS
        await asyncio.sleep(0)
        # Polled: an event would wake it for each of many searches.
        while self.is_busy() and not (self._is_awaited() or self.is_ending) and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(REST_POLL_SECONDS)

"""How much happened within the last minute."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

WINDOW = timedelta(minutes=1)
"""How far back is counted."""


class Rate:
    """Counts what happens.

    Parameters
    ----------
    clock
        Seconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._events: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, count: int) -> None:
        """So many have just happened."""
        self._events.append((self._clock(), count))
        self._sum += count
        self._forget()

    def per_minute(self) -> int:
        """How many happened within the last minute."""
        self._forget()
        return self._sum

    def _forget(self) -> None:
        oldest = self._clock() - WINDOW.total_seconds()
        while self._events and self._events[0][0] <= oldest:
            self._sum -= self._events.popleft()[1]

"""Stops asking a server that does not answer, and asks again from time to time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

FAILURES = 3
"""Failures in a row after which the server is left alone; one slow answer alone says little."""
PAUSE = timedelta(seconds=5)
"""How long it is left alone: a search pays the time-out at most once in that time."""


class CircuitBreaker:
    """Closed while calls work; open for `PAUSE` after `FAILURES` in a row; then one call tries.

    Parameters
    ----------
    clock
        Seconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._paused_until = 0.0

    def is_allowed(self) -> bool:
        """Whether a call may be made now; after the pause the first one to ask is the trial."""
        if self._failures < FAILURES:
            return True
        now = self._clock()
        if now < self._paused_until:
            return False
        self._paused_until = now + PAUSE.total_seconds()
        return True

    def succeed(self) -> None:
        """A call worked."""
        self._failures = 0

    def fail(self) -> bool:
        """A call failed; True where that opens the circuit."""
        self._failures += 1
        self._paused_until = self._clock() + PAUSE.total_seconds()
        return self._failures == FAILURES

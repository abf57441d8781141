"""Whether the reconcile loop lives: when it last ticked, and whether a pass hangs."""

from __future__ import annotations

import time
from collections.abc import Callable

STALE_SECONDS = 60.0
"""Age of the last tick beyond which the loop is taken for dead, in seconds; it ticks every few."""

PASS_SECONDS = 180.0
"""Time that a pass may take, in seconds; its calls have time-outs that sum up to less."""


class Heartbeat:
    """Times of the loop, on a clock that never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tick = clock()
        self._running: dict[tuple[str, str], float] = {}
        self.has_synced = False
        """Whether the first list of stores has been seen."""

    def tick(self) -> None:
        """The event loop and the worker threads have just answered."""
        self._tick = self._clock()

    def begin(self, store: tuple[str, str]) -> None:
        """A pass over a store begins."""
        self._running[store] = self._clock()

    def end(self, store: tuple[str, str]) -> None:
        """A pass over a store has ended."""
        self._running.pop(store, None)

    def complaint(self) -> str:
        """What is wrong with the loop; empty while all is well."""
        age = self._clock() - self._tick
        if age > STALE_SECONDS:
            return f"the reconcile loop has not ticked for {age:.0f} s"
        for (namespace, name), started in list(self._running.items()):
            if self._clock() - started > PASS_SECONDS:
                return f"the pass over {namespace}/{name} takes {self._clock() - started:.0f} s"
        return ""

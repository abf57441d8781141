"""Whether the operator lives: when its loop and its watches last ticked, and whether a pass hangs."""

from __future__ import annotations

import time
from collections.abc import Callable

LOOP = "the reconcile loop"
"""The part that must be there; others begin with their first tick."""

STALE_SECONDS = 60.0
"""Age of the loop's last tick beyond which it is taken for dead, in seconds; it ticks every few."""

WATCH_STALE_SECONDS = 240.0
"""The same for a watch: it ticks at every event and attempt, and is silent for a minute and a little at most."""

PASS_SECONDS = 180.0
"""Time that a pass may take, in seconds; its calls have time-outs that sum up to less."""


class Heartbeat:
    """Times of the loop, on a clock that never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ticks: dict[str, float] = {LOOP: clock()}
        self._running: dict[tuple[str, str], float] = {}

    def tick(self, part: str = LOOP) -> None:
        """A part has just answered: the event loop with its worker threads, or a watch."""
        self._ticks[part] = self._clock()

    def begin(self, store: tuple[str, str]) -> None:
        """A pass over a store begins."""
        self._running[store] = self._clock()

    def end(self, store: tuple[str, str]) -> None:
        """A pass over a store has ended."""
        self._running.pop(store, None)

    def complaint(self) -> str:
        """What is wrong; empty while all is well."""
        for part, ticked in list(self._ticks.items()):
            age = self._clock() - ticked
            if age > (STALE_SECONDS if part == LOOP else WATCH_STALE_SECONDS):
                return f"{part} has not ticked for {age:.0f} s"
        for (namespace, name), started in list(self._running.items()):
            if self._clock() - started > PASS_SECONDS:
                return f"the pass over {namespace}/{name} takes {self._clock() - started:.0f} s"
        return ""

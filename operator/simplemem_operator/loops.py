"""One loop a store: wait for a wake-up, make a pass, wait again.

Wake-ups carry nothing: a pass looks at everything itself, so ten of them while a pass runs make one more pass, and a
lost one costs a poll. Passes run in a bounded number of threads; a store that fails waits longer each time, and holds
up no other.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from simplemem_operator import metrics
from simplemem_operator.heartbeat import Heartbeat
from simplemem_operator.reconcile import Outcome

log = logging.getLogger(__name__)

StoreKey = tuple[str, str]
"""Namespace and name of a store."""

UNREADY_SECONDS = 2.0
"""How soon a store that is not Ready is looked at again, in seconds: pods tell what they lack without an event."""

UNREADY_MOST_SECONDS = 15.0
"""How long that wait grows while nothing happens, in seconds."""

BACKOFF_MOST_SECONDS = 120.0
"""Longest wait after failed passes, in seconds."""

TICK_SECONDS = 5.0
"""How often the loop proves that it lives, in seconds."""

JITTER = 0.2
"""Share by which waits differ, so that a thousand stores do not come at once."""


class StoreLoops:
    """The loops of all stores."""

    def __init__(
        self,
        reconcile: Callable[[str, str], Outcome],
        heartbeat: Heartbeat,
        *,
        workers: int,
        poll_seconds: float,
    ) -> None:
        self._reconcile = reconcile
        self._heartbeat = heartbeat
        self._poll_seconds = poll_seconds
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="pass")
        # Beats must not wait behind slow passes.
        self._beats = ThreadPoolExecutor(1, thread_name_prefix="beat")
        self._wakes: dict[StoreKey, asyncio.Event] = {}
        self._tasks: dict[StoreKey, asyncio.Task[None]] = {}

    @property
    def stores(self) -> list[StoreKey]:
        """Stores under care."""
        return list(self._tasks)

    def wake(self, key: StoreKey) -> None:
        """Look at a store soon; begins its loop at the first call."""
        if key not in self._tasks:
            self._wakes[key] = asyncio.Event()
            self._tasks[key] = asyncio.create_task(self._run(key), name=f"store {key[0]}/{key[1]}")
            metrics.STORES.set(len(self._tasks))
        self._wakes[key].set()

    def wake_known(self, key: StoreKey) -> None:
        """Look at a store soon if it is under care; for events of children, which may outlive it."""
        if key in self._wakes:
            self._wakes[key].set()

    def forget(self, key: StoreKey) -> None:
        """End the loop of a store that is gone."""
        self._wakes.pop(key, None)
        task = self._tasks.pop(key, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        metrics.STORES.set(len(self._tasks))
        for gauge in (metrics.STORE_READY, metrics.STORE_COST):
            gauge.remove_by_labels({"namespace": key[0], "name": key[1]})

    async def beat(self) -> None:
        """Prove for ever that the event loop and a thread answer."""
        while True:
            await asyncio.get_running_loop().run_in_executor(self._beats, time.monotonic)
            self._heartbeat.tick()
            await asyncio.sleep(TICK_SECONDS)

    async def close(self) -> None:
        """End all loops; a pass under way is left to end by itself."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._beats.shutdown(wait=False)

    async def _run(self, key: StoreKey) -> None:
        wake, failures, quiet = self._wakes[key], 0, 0
        while True:
            wake.clear()
            outcome = await self._pass(key)
            if outcome is not None and not outcome.exists:
                self.forget(key)
                return
            failures = failures + 1 if outcome is None or outcome.has_failed else 0
            delay = self._delay(outcome, failures, quiet)
            try:
                await asyncio.wait_for(wake.wait(), delay * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311
                quiet = 0
            except TimeoutError:
                quiet += 1

    def _delay(self, outcome: Outcome | None, failures: int, quiet: int) -> float:
        if failures:
            return float(min(BACKOFF_MOST_SECONDS, 2 ** min(failures, 10)))
        if outcome is not None and outcome.is_ready:
            return self._poll_seconds
        return float(min(UNREADY_MOST_SECONDS, UNREADY_SECONDS * 1.3**quiet))

    async def _pass(self, key: StoreKey) -> Outcome | None:
        def timed() -> Outcome:
            self._heartbeat.begin(key)
            try:
                with metrics.RECONCILE_SECONDS.time():
                    return self._reconcile(*key)
            finally:
                self._heartbeat.end(key)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, timed)
        except Exception as error:
            # A loop that ends is not begun again, so nothing may end it but the store's own end.
            metrics.RECONCILE_ERRORS.labels(error=type(error).__name__).inc()
            log.exception("pass ended unexpectedly", extra={"store": f"{key[0]}/{key[1]}"})
            return None

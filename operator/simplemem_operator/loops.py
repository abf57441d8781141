"""One loop a store: wait for a wake-up, make a pass, wait again; and beside it one that asks its pods how they are.

Wake-ups carry nothing: a pass looks at everything itself, so ten of them while a pass runs make one more pass, and a
lost one costs a resync. Passes run in a bounded number of threads and wait for no pod; a store that fails waits longer
each time, and holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from simplemem_operator import metrics
from simplemem_operator.heartbeat import Heartbeat
from simplemem_operator.reconcile import Outcome

log = logging.getLogger(__name__)

StoreKey = tuple[str, str]
"""Namespace and name of a store."""

SETTLE_SECONDS = 0.2
"""Least time from one pass over a store to the next, in seconds: one write often causes several events."""

FAILING_SETTLE_SECONDS = 1.0
"""The same while passes fail, in seconds."""

UNREADY_SECONDS = 2.0
"""How soon the pods of a store that is not Ready are asked again, in seconds: no event tells what they lack."""

UNREADY_MOST_SECONDS = 15.0
"""How long that wait grows while nothing happens, in seconds."""

UNREADY_RESYNC_SECONDS = 60.0
"""How often a store that is not Ready is looked at when nothing happens, in seconds."""

FIRST_ANSWER_SECONDS = 30.0
"""How long the first pass over a store waits for its pods' word, in seconds: without it, it would undo the status."""

UNSEEN_SECONDS = 30.0
"""How soon pods that said something new are asked again while no pass has looked at it and nothing happens, in seconds:
where a thousand stores wait for a pass, their pods would be asked over and over for nothing.
"""

ASK_SECONDS = 0.5
"""Least time between two rounds of questions to a store's pods, in seconds."""

BACKOFF_MOST_SECONDS = 120.0
"""Longest wait after failed passes, in seconds."""

AWAY_MOST_SECONDS = 30.0
"""The same where the cause passes by itself, or not even the status could be written, in seconds: how late an API
server that is back is noticed.
"""

TICK_SECONDS = 5.0
"""How often the loop proves that it lives, in seconds."""

JITTER = 0.2
"""Share by which waits differ, so that a thousand stores do not come at once."""


@dataclass(slots=True)
class _Care:
    """One store under care."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    ask: asyncio.Event = field(default_factory=asyncio.Event)
    has_asked: asyncio.Event = field(default_factory=asyncio.Event)
    is_ready: bool = False
    is_unseen: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class StoreLoops:
    """The loops of all stores.

    Parameters
    ----------
    reconcile
        Makes a pass over a store; called in threads.
    refresh
        Asks the pods of a store how they are; whether any said something new.
    heartbeat
        Is told that the loops live.
    workers
        Passes at the same time.
    poll_seconds
        How often the pods of a Ready store are asked, in seconds.
    resync_seconds
        How often a store is looked at when nothing happens, in seconds.
    """

    def __init__(
        self,
        reconcile: Callable[[str, str], Outcome],
        refresh: Callable[[StoreKey], Awaitable[bool]],
        heartbeat: Heartbeat,
        *,
        workers: int,
        poll_seconds: float,
        resync_seconds: float,
    ) -> None:
        self._reconcile = reconcile
        self._refresh = refresh
        self._heartbeat = heartbeat
        self._poll_seconds = poll_seconds
        self._resync_seconds = resync_seconds
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="pass")
        # A thread that is done must find the next pass there, without waiting for the event loop.
        self._slots = asyncio.Semaphore(2 * workers)
        # Beats must not wait behind slow passes.
        self._beats = ThreadPoolExecutor(1, thread_name_prefix="beat")
        self._stores: dict[StoreKey, _Care] = {}

    @property
    def stores(self) -> list[StoreKey]:
        """Stores under care."""
        return list(self._stores)

    def wake(self, key: StoreKey) -> None:
        """Look at a store soon; begins its loops at the first call."""
        care = self._stores.get(key)
        if care is None:
            care = self._stores[key] = _Care()
            name = f"store {key[0]}/{key[1]}"
            care.tasks = [
                asyncio.create_task(self._run(key, care), name=name),
                asyncio.create_task(self._ask(key, care), name=f"pods of {name}"),
            ]
            metrics.STORES.set(len(self._stores))
        care.wake.set()

    def wake_known(self, key: StoreKey, *, has_new_pods: bool = False) -> None:
        """Look at a store soon if it is under care; for events of children, which may outlive it."""
        care = self._stores.get(key)
        if care is not None:
            care.wake.set()
            if has_new_pods:
                care.ask.set()

    def forget(self, key: StoreKey) -> None:
        """End the loops of a store that is gone."""
        care = self._stores.pop(key, None)
        for task in care.tasks if care else ():
            if task is not asyncio.current_task():
                task.cancel()
        metrics.STORES.set(len(self._stores))
        metrics.forget_store(*key)

    async def beat(self) -> None:
        """Prove for ever that the event loop and a thread answer."""
        while True:
            await asyncio.get_running_loop().run_in_executor(self._beats, time.monotonic)
            self._heartbeat.tick()
            await asyncio.sleep(TICK_SECONDS)

    async def close(self) -> None:
        """End all loops; a pass under way is left to end by itself."""
        tasks = [task for care in self._stores.values() for task in care.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._beats.shutdown(wait=False)

    async def _run(self, key: StoreKey, care: _Care) -> None:
        failures = 0
        await _wait(care.has_asked, FIRST_ANSWER_SECONDS)
        while True:
            outcome = await self._pass(key, care)
            # Unless it came, or came back, while the pass ran.
            if outcome is not None and not outcome.exists and not care.wake.is_set():
                self.forget(key)
                return
            failures = failures + 1 if outcome is None or outcome.has_failed else 0
            if outcome is not None and outcome.is_outdated:
                care.wake.set()
            was_ready, care.is_ready = care.is_ready, outcome is not None and outcome.is_ready
            if was_ready and not care.is_ready:
                care.ask.set()
            await asyncio.sleep(FAILING_SETTLE_SECONDS if failures else SETTLE_SECONDS)
            await _wait(care.wake, self._delay(outcome, failures))

    async def _ask(self, key: StoreKey, care: _Care) -> None:
        quiet = 0
        while True:
            care.ask.clear()
            try:
                is_news = await self._refresh(key)
            except Exception:
                # As with passes: the pods of this store would never be asked again.
                log.exception("question ended unexpectedly", extra={"store": f"{key[0]}/{key[1]}"})
                is_news = False
            if not care.has_asked.is_set():
                # The first pass is about to look at the answers anyway.
                is_news = False
                care.has_asked.set()
            quiet = 0 if is_news else quiet + 1
            if is_news:
                care.is_unseen = True
                care.wake.set()
            unready = min(UNREADY_MOST_SECONDS, UNREADY_SECONDS * 1.3 ** min(quiet, 20))
            await asyncio.sleep(ASK_SECONDS)
            polled = self._poll_seconds if care.is_ready else min(unready, self._poll_seconds)
            await _wait(care.ask, UNSEEN_SECONDS if care.is_unseen else polled)

    def _delay(self, outcome: Outcome | None, failures: int) -> float:
        if failures or outcome is None:
            is_away = outcome is None or outcome.is_transient
            return min(AWAY_MOST_SECONDS if is_away else BACKOFF_MOST_SECONDS, 2.0 ** min(failures, 10))
        most = self._resync_seconds if outcome.is_ready else min(UNREADY_RESYNC_SECONDS, self._resync_seconds)
        return most if outcome.again_seconds is None else min(outcome.again_seconds, most)

    async def _pass(self, key: StoreKey, care: _Care) -> Outcome | None:
        async with self._slots:
            # The pass sees all that happened while it waited.
            care.wake.clear()
            if care.is_unseen:
                care.is_unseen = False
                care.ask.set()
            return await self._make(key)

    async def _make(self, key: StoreKey) -> Outcome | None:
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


async def _wait(event: asyncio.Event, seconds: float) -> None:
    # Not `asyncio.wait_for`: before Python 3.12 it swallows an end that comes together with the event.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds * random.uniform(1 - JITTER, 1 + JITTER)):  # noqa: S311
            await event.wait()

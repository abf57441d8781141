"""One loop a store: no wake-up is lost, no failure ends it, no store holds up another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from simplemem_operator.heartbeat import Heartbeat
from simplemem_operator.loops import StoreLoops
from simplemem_operator.reconcile import Outcome

KEY = ("team-a", "notes")
READY = Outcome(exists=True, is_ready=True, has_failed=False)


async def until(check: Callable[[], bool], within: float = 30) -> None:
    async with asyncio.timeout(within):
        while not check():
            await asyncio.sleep(0.005)


class Passes:
    """Counts passes; `answer` is what each gives."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.answer: Callable[[tuple[str, str]], Outcome] = lambda _: READY

    def hold(self) -> threading.Event:
        """Have each pass wait until the event is set."""
        gate = threading.Event()

        def wait(_: tuple[str, str]) -> Outcome:
            gate.wait(30)
            return READY

        self.answer = wait
        return gate

    def __call__(self, namespace: str, name: str) -> Outcome:
        self.seen.append((namespace, name))
        return self.answer((namespace, name))


class Pods:
    """Counts rounds of questions; `answer` is what each gives."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Callable[[], Awaitable[bool]] = self.nothing_new

    async def nothing_new(self) -> bool:
        return False

    async def refresh(self, _: tuple[str, str]) -> bool:
        self.asked += 1
        return await self.answer()


@pytest.fixture
async def pods() -> Pods:
    return Pods()


@pytest.fixture
async def passes() -> Passes:
    return Passes()


@pytest.fixture
async def loops(passes: Passes, pods: Pods) -> AsyncIterator[StoreLoops]:
    made = StoreLoops(passes, pods.refresh, Heartbeat(), workers=2, poll_seconds=3600, resync_seconds=3600)
    yield made
    await made.close()


async def test_a_wake_up_during_a_pass_makes_one_more(loops: StoreLoops, passes: Passes) -> None:
    gate = passes.hold()
    loops.wake(KEY)
    await until(lambda: len(passes.seen) == 1)
    for _ in range(3):
        loops.wake(KEY)
    gate.set()
    await until(lambda: len(passes.seen) == 2)
    await asyncio.sleep(0.05)
    assert len(passes.seen) == 2


async def test_an_unexpected_error_does_not_end_the_loop(loops: StoreLoops, passes: Passes) -> None:
    def fail(_: tuple[str, str]) -> Outcome:
        raise RuntimeError("boom")

    passes.answer = fail
    loops.wake(KEY)
    await until(lambda: len(passes.seen) == 1)
    passes.answer = lambda _: READY
    loops.wake(KEY)
    await until(lambda: len(passes.seen) == 2)
    assert loops.stores == [KEY]


async def test_a_slow_store_holds_up_no_other(loops: StoreLoops, passes: Passes) -> None:
    gate = threading.Event()

    def answer(key: tuple[str, str]) -> Outcome:
        if key == KEY:
            gate.wait(30)
        return READY

    passes.answer = answer
    loops.wake(KEY)
    for number in range(5):
        loops.wake(("team-b", f"s{number}"))
    await until(lambda: len(passes.seen) == 6)
    assert not gate.is_set()
    gate.set()


async def test_a_store_that_is_gone_is_forgotten(loops: StoreLoops, passes: Passes) -> None:
    passes.answer = lambda _: Outcome(exists=False, is_ready=False, has_failed=False)
    loops.wake(KEY)
    await until(lambda: not loops.stores)
    loops.wake_known(KEY)
    await asyncio.sleep(0.02)
    assert len(passes.seen) == 1


async def test_a_store_that_comes_while_a_pass_finds_it_gone_is_looked_at_again(
    loops: StoreLoops, passes: Passes
) -> None:
    gate = threading.Event()

    def answer(_: tuple[str, str]) -> Outcome:
        gate.wait(30)
        return READY if len(passes.seen) > 1 else replace(READY, exists=False)

    passes.answer = answer
    loops.wake(KEY)
    await until(lambda: len(passes.seen) == 1)
    loops.wake(KEY)
    gate.set()
    await until(lambda: len(passes.seen) == 2)
    assert loops.stores == [KEY]


@pytest.mark.parametrize(
    ("outcome", "most"),
    [(replace(READY, has_failed=True), 120), (replace(READY, has_failed=True, is_transient=True), 30), (None, 30)],
)
async def test_the_wait_grows_with_failures_up_to_a_cap(loops: StoreLoops, outcome: Outcome | None, most: int) -> None:
    delays = [loops._delay(outcome, failures) for failures in range(1, 12)]
    assert delays[0] == 2
    assert delays == sorted(delays)
    assert delays[-1] == most


async def test_a_pass_that_wants_another_gets_it_when_it_said(loops: StoreLoops) -> None:
    assert loops._delay(READY, 0) == 3600
    assert loops._delay(replace(READY, again_seconds=7), 0) == 7
    assert loops._delay(replace(READY, is_ready=False), 0) == 60


async def test_a_store_edited_during_a_pass_is_looked_at_again_at_once(loops: StoreLoops, passes: Passes) -> None:
    passes.answer = lambda _: replace(READY, is_outdated=len(passes.seen) < 3)
    loops.wake(KEY)
    await until(lambda: len(passes.seen) == 3)
    await asyncio.sleep(0.5)
    assert len(passes.seen) == 3


async def test_the_first_pass_waits_for_the_pods_word(loops: StoreLoops, passes: Passes, pods: Pods) -> None:
    gate = asyncio.Event()

    async def answer() -> bool:
        await gate.wait()
        return True

    pods.answer = answer
    loops.wake(KEY)
    await asyncio.sleep(0.1)
    assert not passes.seen
    gate.set()
    await until(lambda: len(passes.seen) == 1)


async def test_pods_that_hang_hold_up_no_pass(
    loops: StoreLoops, passes: Passes, pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simplemem_operator.loops.FIRST_ANSWER_SECONDS", 0.1)

    async def hang() -> bool:
        await asyncio.sleep(3600)
        return False

    pods.answer = hang
    loops.wake(KEY)
    await until(lambda: len(passes.seen) == 1)
    loops.wake(KEY)
    await until(lambda: len(passes.seen) == 2)
    assert pods.asked == 1


async def test_news_of_a_pod_makes_a_pass_and_silence_none(loops: StoreLoops, passes: Passes, pods: Pods) -> None:
    async def tell_second() -> bool:
        return pods.asked == 2

    pods.answer = tell_second
    loops.wake(KEY)
    await until(lambda: len(passes.seen) == 1)
    await asyncio.sleep(0.3)
    loops.wake_known(KEY, has_new_pods=True)
    await until(lambda: pods.asked == 2)
    await until(lambda: len(passes.seen) == 3)
    await asyncio.sleep(0.6)
    assert len(passes.seen) == 3


async def test_what_happens_while_a_store_waits_for_its_pass_is_seen_by_that_pass(
    loops: StoreLoops, passes: Passes
) -> None:
    gate = passes.hold()
    for number in range(4):
        loops.wake(("busy", f"s{number}"))
    await until(lambda: len(passes.seen) == 2)
    loops.wake(KEY)
    await asyncio.sleep(0.1)
    for _ in range(3):
        loops.wake_known(KEY)
    gate.set()
    await until(lambda: KEY in passes.seen)
    await asyncio.sleep(0.4)
    assert passes.seen.count(KEY) == 1


async def test_pods_are_not_asked_over_and_over_while_no_pass_looks(
    loops: StoreLoops, passes: Passes, pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simplemem_operator.loops.ASK_SECONDS", 0.01)
    monkeypatch.setattr("simplemem_operator.loops.UNREADY_SECONDS", 0.01)
    gate, asked = threading.Event(), list[tuple[str, str]]()

    def answer(key: tuple[str, str]) -> Outcome:
        if key != KEY:
            gate.wait(30)
        return replace(READY, is_ready=False)

    async def tell(key: tuple[str, str]) -> bool:
        asked.append(key)
        return asked.count(KEY) == 2

    loops._refresh = tell
    passes.answer = answer
    for number in range(4):
        loops.wake(("busy", f"s{number}"))
    await until(lambda: len(passes.seen) == 2)
    loops.wake(KEY)
    await until(lambda: asked.count(KEY) == 2)
    await asyncio.sleep(0.3)
    assert asked.count(KEY) == 2
    # A pod that changes is asked all the same, and the pass asks anew.
    loops.wake_known(KEY, has_new_pods=True)
    await until(lambda: asked.count(KEY) == 3)
    gate.set()
    await until(lambda: KEY in passes.seen)
    await until(lambda: asked.count(KEY) > 5)


@pytest.mark.parametrize("turns", range(4))
async def test_loops_end_though_a_wake_up_comes_at_that_moment(loops: StoreLoops, passes: Passes, turns: int) -> None:
    loops.wake(KEY)
    await until(lambda: len(passes.seen) == 1)
    await asyncio.sleep(1)
    tasks = loops._stores[KEY].tasks
    loops.wake_known(KEY, has_new_pods=True)
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await loops.close()
    assert [task.cancelled() for task in tasks] == [True, True]


async def test_a_question_that_breaks_is_asked_again(loops: StoreLoops, pods: Pods) -> None:
    async def break_down() -> bool:
        raise RuntimeError("boom")

    pods.answer = break_down
    loops.wake(KEY)
    await until(lambda: pods.asked == 1)
    loops.wake_known(KEY, has_new_pods=True)
    await until(lambda: pods.asked == 2)
    assert loops.stores == [KEY]


def test_a_heart_that_stopped_is_told_from_one_that_beats() -> None:
    now = [0.0]
    heartbeat = Heartbeat(lambda: now[0])
    assert heartbeat.complaint() == ""
    now[0] = 61
    assert heartbeat.complaint() == "the reconcile loop has not ticked for 61 s"
    heartbeat.tick()
    assert heartbeat.complaint() == ""
    heartbeat.begin(KEY)
    now[0] = 100
    assert heartbeat.complaint() == ""
    heartbeat.tick()
    now[0] = 61 + 181
    heartbeat.tick()
    assert "team-a/notes" in heartbeat.complaint()
    heartbeat.end(KEY)
    assert heartbeat.complaint() == ""


def test_a_watch_that_stands_still_is_told() -> None:
    now = [0.0]
    heartbeat = Heartbeat(lambda: now[0])
    heartbeat.tick("watch services")
    now[0] = 250
    heartbeat.tick()
    assert heartbeat.complaint() == "watch services has not ticked for 250 s"
    heartbeat.tick("watch services")
    assert heartbeat.complaint() == ""

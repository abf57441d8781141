"""Waiting for events."""

from __future__ import annotations

import asyncio
import contextlib

from simplemem_service.waiting import wait_at_most


async def test_an_event_ends_the_wait() -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(wait_at_most(event, 60))
    await asyncio.sleep(0)
    event.set()
    assert await waiting


async def test_the_time_ends_the_wait() -> None:
    assert not await wait_at_most(asyncio.Event(), 0.01)


async def test_a_task_cancelled_while_it_is_woken_ends() -> None:
    event = asyncio.Event()

    async def follow() -> None:
        while True:
            await wait_at_most(event, 60)
            event.clear()

    task = asyncio.create_task(follow())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    event.set()
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(task), 2)
    assert task.cancelled()

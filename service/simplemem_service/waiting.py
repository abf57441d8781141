"""Waiting for an event no longer than some time, without ever missing that the task is to end."""

from __future__ import annotations

import asyncio
import contextlib


async def wait_at_most(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event was set within some seconds.

    `asyncio.wait_for` of Python 3.11 passes over a cancellation that comes in the same turn of the loop as the event,
    and a loop that is cancelled while it is woken then never ends; `asyncio.timeout` does not.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
            return True
    return event.is_set()

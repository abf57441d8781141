"""A process of its own that appends to a store's tables, beside others that do the same and without a lease.

    SIMPLEMEM_STORE_FILE=store.json SIMPLEMEM_DATA=FOLDER .venv/service/bin/python -m tests.support.appender FIRST COUNT

says `open` once it could begin, begins at a line on its standard input, and appends one turn and one entry at a time:
number 0, which all processes append, and COUNT of its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from simplemem_service.config import read_config
from simplemem_service.errors import StorageUnavailableError
from simplemem_service.factory.storage import create_blobs, create_storage
from simplemem_service.storage.base import StoreIdentity
from tests.support.entries import make_entry, make_turn

TINY = StoreIdentity("tiny", 8)
TRIES = 50
"""How often an append is tried; the service's worker tries until it works."""


async def append(first: int, count: int) -> None:
    """Append turns and entries: number 0, and those from `first` on."""
    config = read_config(os.environ)
    storage, _ = create_storage(config, create_blobs(config))
    await storage.open(TINY)
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for number in (0, *range(first, first + count)):
        await _insist(partial(storage.add_turns, [make_turn(number)]))
        await _insist(partial(storage.add_entries, [make_entry(number)]))
    await storage.close()


async def _insist(act: Callable[[], Awaitable[object]]) -> None:
    for left in reversed(range(TRIES)):
        try:
            await act()
        except StorageUnavailableError:
            if not left:
                raise
        else:
            return


if __name__ == "__main__":
    asyncio.run(append(*map(int, sys.argv[1:])))

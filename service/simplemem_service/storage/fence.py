"""Shuts out the writer before, which may only have been paused: its commits must not count once another one works.

A lease in a bucket says who may write, but a process can stand still between looking at it and its commit, or within
the commit, for as long as it takes another to take over. Neither looking again nor conditional writes help there: Lance
lays a late commit on top of what came since, as long as both touch other rows, so an erased user's words would return.
What Lance lays nothing on is a `Restore`. So whoever takes over restores each table to its own latest version, which
changes no row and no index: every commit that was begun before fails, however late it arrives (lancedb 0.40).
"""

from __future__ import annotations

from typing import Any

from simplemem_service.errors import LeaseLostError


async def fence(table: Any) -> None:
    """Make every commit fail that was begun by another handle before now; the table's rows stay as they are.

    The handle stands at the latest version afterwards. Raises `LeaseLostError` if another process does the same.
    """
    await table.checkout_latest()
    before = int(await table.version())
    reached = await _restore(table, before)
    if reached > before + 1 and await _restore(table, reached - 1) != reached + 1:
        # What came between the look and the restoring was brought back, but somebody came between again.
        raise LeaseLostError("another process takes over the tables at the same time")


async def _restore(table: Any, version: int) -> int:
    """The version that has the rows of an earlier one."""
    await table.checkout(version)
    await table.restore()
    return int(await table.version())

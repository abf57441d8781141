"""Turns LanceDB's exceptions, which have no common base, into ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lancedb.remote.errors import HttpError, RetryError

from simplemem_service.errors import LeaseLostError, StorageUnavailableError, TransientError

SHOWN_CHARS = 256
"""How much of LanceDB's text an error repeats, in characters."""
FENCED = "incompatible with concurrent transaction Restore"
"""What LanceDB says of a commit that was begun before another process fenced the table (`fence.py`)."""


@asynccontextmanager
async def converted() -> AsyncIterator[None]:
    """A block whose LanceDB errors become `StorageUnavailableError`s; a fenced commit's becomes a `LeaseLostError`."""
    try:
        yield
    except (RuntimeError, OSError, ValueError) as error:
        raise as_unavailable(error) from error


def as_unavailable(error: Exception) -> TransientError:
    """Our error for one of LanceDB's."""
    # Of a request that was repeated in vain, the error itself tells only that.
    reason = error.__cause__ if isinstance(error, RetryError) and error.__cause__ is not None else error
    while isinstance(reason, RetryError | HttpError) and reason.__cause__ is not None:
        reason = reason.__cause__
    if FENCED in str(reason):
        return LeaseLostError("another process took over the tables while this one stood still; nothing was committed")
    first_line = str(reason).split("\n", 1)[0]
    return StorageUnavailableError(f"the tables cannot be used: {first_line[:SHOWN_CHARS]}")

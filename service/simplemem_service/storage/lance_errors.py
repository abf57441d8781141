"""Turns LanceDB's exceptions, which have no common base, into ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from simplemem_service.errors import StorageUnavailableError

SHOWN_CHARS = 256
"""How much of LanceDB's text an error repeats, in characters."""


@asynccontextmanager
async def converted() -> AsyncIterator[None]:
    """A block whose LanceDB errors become `StorageUnavailableError`s."""
    try:
        yield
    except (RuntimeError, OSError, ValueError) as error:
        raise as_unavailable(error) from error


def as_unavailable(error: Exception) -> StorageUnavailableError:
    """Our error for one of LanceDB's."""
    first_line = str(error).split("\n", 1)[0]
    return StorageUnavailableError(f"the tables cannot be used: {first_line[:SHOWN_CHARS]}")

"""A lock between processes."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from tests.harness.paths import cache_dir


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock for the block; whoever has it is waited for, and who dies has given it back.

    Parameters
    ----------
    path
        File that stands for the lock; it stays.
    """
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def apt_lock() -> contextlib.AbstractContextManager[None]:
    """Held by whoever changes what apt knows: it fails at once where another process of it does."""
    return locked(cache_dir() / "apt.lock")

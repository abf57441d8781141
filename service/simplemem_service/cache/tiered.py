"""The most recent values in this process, in front of a cache that all pods share."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from typing_extensions import override

from simplemem_service.cache.base import Cache

LOCAL_BYTES = 32 * 1024**2
"""Size of the values kept in this process: 20,000 vectors of 384 dimensions."""


class TieredCache(Cache):
    """Least recently used values in memory, the rest in a shared cache.

    Parameters
    ----------
    shared
        The cache of all pods.
    limit_bytes
        Size of the values kept here.
    clock
        Seconds of a clock that never goes back.
    """

    def __init__(
        self, shared: Cache, limit_bytes: int = LOCAL_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shared = shared
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._values: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._size_bytes = 0

    @override
    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = {key: value for key in keys if (value := self._read(key)) is not None}
        missing = [key for key in keys if key not in found]
        # What comes from the shared cache is not kept here: how long it still holds is not known.
        return found | (await self._shared.get_many(missing) if missing else {})

    @override
    async def set_many(self, values: Mapping[str, bytes], lifetime: timedelta) -> None:
        end = self._clock() + lifetime.total_seconds()
        for key, value in values.items():
            self._drop(key)
            self._values[key] = (end, value)
            self._size_bytes += len(value)
        while self._size_bytes > self._limit_bytes:
            self._drop(next(iter(self._values)))
        await self._shared.set_many(values, lifetime)

    @override
    async def forget(self, prefix: str) -> bool:
        for key in [key for key in self._values if key.startswith(prefix)]:
            self._drop(key)
        return await self._shared.forget(prefix)

    @override
    def forget_local(self) -> None:
        self._values.clear()
        self._size_bytes = 0

    @override
    async def close(self) -> None:
        """Close the shared cache."""
        await self._shared.close()

    def _read(self, key: str) -> bytes | None:
        end, value = self._values.get(key, (0.0, b""))
        if end <= self._clock():
            self._drop(key)
            return None
        self._values.move_to_end(key)
        return value

    def _drop(self, key: str) -> None:
        _, value = self._values.pop(key, (0.0, b""))
        self._size_bytes -= len(value)

"""What the service asks of a cache: bytes by key, with an end.

A cache holds nothing that cannot be made again, so it has no errors: what fails is a miss.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta


class Cache(ABC):
    """Bytes by key. No method raises: a cache that fails costs speed only."""

    @abstractmethod
    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values of the keys that are known."""

    @abstractmethod
    async def set_many(self, values: Mapping[str, bytes], lifetime: timedelta) -> None:
        """Keep values for a time."""

    async def get(self, key: str) -> bytes | None:
        """The value of a key, or None."""
        return (await self.get_many([key])).get(key)

    async def set(self, key: str, value: bytes, lifetime: timedelta) -> None:
        """Keep one value for a time."""
        await self.set_many({key: value}, lifetime)

    @abstractmethod
    async def forget(self, prefix: str) -> bool:
        """Remove every value whose key begins so; False where it cannot be told whether all are gone."""

    def forget_local(self) -> None:
        """Remove what is kept in this process; nothing by default."""
        return

    async def close(self) -> None:
        """Release connections; nothing by default."""
        return

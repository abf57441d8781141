"""The next free positions of both tables, counted in memory by the one writer."""

from __future__ import annotations

from simplemem_service.storage.base import Storage


class Positions:
    """Gives out positions; a gap that a failure leaves does no harm.

    Parameters
    ----------
    storage
        Where the last positions are read at first.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._next_entry: int | None = None
        self._next_turn: int | None = None

    async def next_entry(self) -> int:
        """The position that the next entry will have, unless others come first."""
        if self._next_entry is None:
            self._next_entry = await self._storage.next_position()
        return self._next_entry

    async def take_entries(self, count: int) -> int:
        """The first of so many positions of entries."""
        first = await self.next_entry()
        self._next_entry = first + count
        return first

    async def take_turns(self, count: int) -> int:
        """The first of so many positions of turns."""
        if self._next_turn is None:
            self._next_turn = await self._storage.next_turn_position()
        first = self._next_turn
        self._next_turn = first + count
        return first

    def forget(self) -> None:
        """Read the last positions anew: another process may have written."""
        self._next_entry = self._next_turn = None

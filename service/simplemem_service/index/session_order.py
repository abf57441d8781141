"""The entries of one session in order of position: 16 bytes an entry."""

from __future__ import annotations

import bisect
from array import array


class SessionOrder:
    """Rows by position. One writer; readers need no lock, since it is appended to or replaced whole."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places = (array("q"), array("q"))

    def __len__(self) -> int:
        return len(self._places[0])

    def add(self, position: int, row: int) -> None:
        """Take in a row, after those of the same position."""
        positions, rows = self._places
        if not positions or position > positions[-1]:
            # The row first: a reader that finds a position finds its row, too.
            rows.append(row)
            positions.append(position)
            return
        at = bisect.bisect_right(positions, position)
        self._places = (
            positions[:at] + array("q", [position]) + positions[at:],
            rows[:at] + array("q", [row]) + rows[at:],
        )

    def remove(self, position: int, row: int) -> None:
        """Leave a row out that is there."""
        at = self._place_of(position, row)
        positions, rows = self._places
        self._places = (positions[:at] + positions[at + 1 :], rows[:at] + rows[at + 1 :])

    def around(self, position: int, row: int, span: int) -> list[int]:
        """The rows next to one that is there, at most `span` on each side, in order."""
        rows = self._places[1]
        at = self._place_of(position, row)
        return [*rows[max(0, at - span) : at], *rows[at + 1 : at + 1 + span]]

    def before(self, position: int) -> int | None:
        """The last row with a smaller position, or None."""
        positions, rows = self._places
        at = bisect.bisect_left(positions, position)
        return rows[at - 1] if at > 0 else None

    def first(self) -> int:
        """The first row of an order that has any."""
        return self._places[1][0]

    def rows(self) -> list[int]:
        """All rows in order."""
        return list(self._places[1])

    def _place_of(self, position: int, row: int) -> int:
        positions, rows = self._places
        at = bisect.bisect_left(positions, position)
        while rows[at] != row:
            at += 1
        return at

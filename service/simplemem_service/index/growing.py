"""Arrays that grow at their end while searches read what they held before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

FIRST_ROWS = 16
"""Rows a new array has room for; the room doubles whenever it is full."""


class GrowingArray:
    """Rows appended to an array that doubles.

    Parameters
    ----------
    shape
        Shape of a row.
    dtype
        Type of its numbers.
    """

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._array: npt.NDArray[Any] = np.zeros((FIRST_ROWS, *shape), dtype=dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def extend(self, rows: Sequence[Any] | npt.NDArray[Any]) -> None:
        """Append rows."""
        needed = self._size + len(rows)
        if needed > len(self._array):
            # Zeros cost nothing until they are written; uninitialised room would hold what was freed before.
            grown = np.zeros((max(needed, 2 * len(self._array)), *self._array.shape[1:]), dtype=self._array.dtype)
            grown[: self._size] = self._array[: self._size]
            self._array = grown
        self._array[self._size : needed] = rows
        self._size = needed

    def rows(self) -> npt.NDArray[Any]:
        """All rows so far, without copying; a later `extend` leaves them as they are."""
        return self._array[: self._size]

"""A short likeness of vectors by which a search sorts out what cannot be among the best.

A sketch is a vector's share in the directions of greatest variance (principal components, fitted to a sample). Text
models put most of a vector into few directions: with a sixth of the dimensions the product of two sketches is off by a
few hundredths at random. The best few thousand by sketch are then rated exactly, so what a search returns has its true
cosine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from simplemem_service.index.growing import GrowingArray

SHORTER = 6
"""How many times shorter than a vector its sketch is."""
LEAST_LENGTH = 16
"""Numbers in a sketch at the least; shorter vectors are their own."""
SAMPLE = 8_192
"""Vectors that the directions are fitted to, evenly drawn."""
BLOCK = 8_192
"""Vectors turned into 32-bit floats at a time; 12 MB with 384 dimensions."""

Matrix = npt.NDArray[np.float32]
"""Vectors as rows, float32."""
Fixed = npt.NDArray[np.int16]
"""Unit vectors as rows, shape (rows, dimension), in units of `UNIT`: as exact as 16-bit floats (a cosine is off by
.00001), and numpy turns them into 32-bit floats ten times as fast."""
UNIT = np.float32(1 / 32_767)
"""What the numbers of fixed vectors count."""


def as_fixed(vectors: npt.NDArray[np.floating[Any]]) -> Fixed:
    """Unit vectors in whole units."""
    found: Fixed = np.rint(vectors.astype(np.float32) / UNIT).clip(-32_767, 32_767).astype(np.int16)
    return found


def as_floats(vectors: Fixed) -> Matrix:
    """Fixed vectors as 32-bit floats."""
    found: Matrix = vectors.astype(np.float32)
    found *= UNIT
    return found


class Sketcher:
    """Makes sketches.

    Parameters
    ----------
    vectors
        A sample to fit the directions to, shape (rows, dimension).
    """

    def __init__(self, vectors: Fixed) -> None:
        sample = as_floats(vectors)
        # Around zero, not around the mean: it is products with a question that sketches stand for.
        _, directions = np.linalg.eigh(sample.T @ sample)
        length = max(LEAST_LENGTH, vectors.shape[1] // SHORTER)
        self._directions: Matrix = np.ascontiguousarray(directions[:, -length:], dtype=np.float32)

    @property
    def length(self) -> int:
        """Numbers in a sketch."""
        return int(self._directions.shape[1])

    def sketch(self, vectors: Matrix) -> Matrix:
        """Sketches of vectors, shape (rows, length)."""
        found: Matrix = vectors @ self._directions
        return found


class Sketches:
    """Sketches of rows that only ever grow in number.

    Parameters
    ----------
    sketcher
        Makes them.
    """

    def __init__(self, sketcher: Sketcher) -> None:
        self._sketcher = sketcher
        self._rows = GrowingArray((sketcher.length,), np.float32)

    def follow(self, vectors: Fixed) -> Matrix:
        """Sketches of all vectors, made for those that have none yet."""
        for block in _blocks(vectors[len(self._rows) :]):
            self._rows.extend(self._sketcher.sketch(as_floats(block)))
        rows: Matrix = self._rows.rows()
        return rows

    def wipe(self, rows: slice) -> None:
        """Overwrite the sketches of some vectors with zeros, where they were made."""
        self._rows.rows()[rows] = 0


def _blocks(vectors: Fixed) -> Iterator[Fixed]:
    for start in range(0, len(vectors), BLOCK):
        yield vectors[start : start + BLOCK]

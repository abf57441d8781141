"""Vectors of texts encoded lately, so that a sentence said twice, or read again as context, costs nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from simplemem_service.models.entry import Vector


class VectorCache:
    """The texts used last with their vectors; safe for use by several threads.

    Parameters
    ----------
    capacity
        Texts kept; one of 384 dimensions takes about 1.7 KB.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, texts: Iterable[str]) -> dict[str, Vector]:
        """Vectors of those texts that are known."""
        found: dict[str, Vector] = {}
        with self._lock:
            for text in texts:
                vector = self._vectors.get(text)
                if vector is not None:
                    found[text] = vector
                    self._vectors.move_to_end(text)
        return found

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._vectors.clear()

    def write(self, vectors: Mapping[str, Vector]) -> None:
        """Remember vectors, and forget those not used for longest."""
        with self._lock:
            self._vectors.update(vectors)
            while len(self._vectors) > self._capacity:
                self._vectors.popitem(last=False)

"""A tiny deterministic embedder: words hashed into a few dimensions, so that shared words mean nearness."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from simplemem_service.embedding.base import Embedding
from simplemem_service.models.entry import Vector

DIMENSION = 32


class TinyEmbedding(Embedding):
    """Fails on the texts it is told to, and may be slow."""

    def __init__(self, *, seconds: float = 0) -> None:
        self.model = "tiny"
        self.dimension = DIMENSION
        self.failures: list[Exception] = []
        self.calls = 0
        self.most_at_once = 0
        self._now = 0
        self._seconds = seconds

    async def load(self) -> None:
        return

    async def close(self) -> None:
        return

    async def encode_documents(self, texts: Sequence[str]) -> list[Vector]:
        self.calls += 1
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await asyncio.sleep(self._seconds)
            if self.failures:
                raise self.failures.pop(0)
            return [embed(text) for text in texts]
        finally:
            self._now -= 1

    async def encode_query(self, text: str) -> Vector:
        return embed(text)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    @override
    def known_share(self, text: str) -> float:
        return 1.0


def embed(text: str, dimension: int = DIMENSION) -> Vector:
    vector = np.full(dimension, 0.01, dtype=np.float32)
    for word in text.lower().split():
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little") % dimension] += 1
    return vector / np.float32(np.linalg.norm(vector))

"""An embedding model whose vectors are made once for all pods.

A key holds a digest of the text, never the text; a value is the vector's raw float32 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from typing_extensions import override

from simplemem_service.cache.base import Cache
from simplemem_service.embedding.base import Embedding
from simplemem_service.models.entry import Vector
from simplemem_service.telemetry import Metrics

LIFETIME = timedelta(days=1)
"""How long a vector is kept; also the longest that one outlives the erasure of its text."""


class CachedEmbedding(Embedding):
    """Asks a cache before the model.

    Parameters
    ----------
    inner
        The model.
    cache
        Where vectors are kept.
    metrics
        Where hits and misses are counted.
    """

    def __init__(self, inner: Embedding, cache: Cache, metrics: Metrics) -> None:
        self._inner = inner
        self.cache = cache
        self._metrics = metrics
        self.model = inner.model
        self.dimension = 0

    @override
    async def load(self) -> None:
        await self._inner.load()
        self.dimension = self._inner.dimension

    @override
    async def close(self) -> None:
        await self.cache.close()
        await self._inner.close()

    @override
    async def encode_documents(self, texts: Sequence[str]) -> list[Vector]:
        keys = {text: self._key("document", text) for text in texts}
        found = await self.cache.get_many(list(keys.values()))
        known = {text: vector for text, key in keys.items() if (vector := self._vector(found.get(key))) is not None}
        missing = [text for text in keys if text not in known]
        self._count("document_vectors", len(known), len(missing))
        if missing:
            fresh = dict(zip(missing, await self._inner.encode_documents(missing), strict=True))
            await self.cache.set_many({keys[text]: _bytes(vector) for text, vector in fresh.items()}, LIFETIME)
            known |= fresh
        return [known[text] for text in texts]

    @override
    async def encode_query(self, text: str) -> Vector:
        key = self._key("query", text)
        vector = self._vector(await self.cache.get(key))
        self._count("query_vectors", int(vector is not None), int(vector is None))
        if vector is None:
            vector = await self._inner.encode_query(text)
            await self.cache.set(key, _bytes(vector), LIFETIME)
        return vector

    @override
    def count_tokens(self, text: str) -> int:
        return self._inner.count_tokens(text)

    @override
    def known_share(self, text: str) -> float:
        return self._inner.known_share(text)

    def _key(self, purpose: str, text: str) -> str:
        """Key of a text; the same text as a question and as a document may have two vectors."""
        digest = hashlib.sha256(f"{self.model}\0{self.dimension}\0{purpose}\0{text}".encode(errors="surrogatepass"))
        return f"vector:{digest.hexdigest()}"

    def _vector(self, value: bytes | None) -> Vector | None:
        """The vector in a value; None where there is none of this model's length."""
        if value is None or len(value) != self.dimension * np.dtype(np.float32).itemsize:
            return None
        return np.frombuffer(value, dtype=np.float32).copy()

    def _count(self, name: str, hits: int, misses: int) -> None:
        self._metrics.cache_hits_total.labels(name).inc(hits)
        self._metrics.cache_misses_total.labels(name).inc(misses)


def _bytes(vector: Vector) -> bytes:
    return np.ascontiguousarray(vector, dtype=np.float32).tobytes()

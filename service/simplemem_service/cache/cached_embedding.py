"""An embedding model whose vectors are made once for all pods.

A key holds a keyed digest of the text, never the text; a value is the vector's raw float32 bytes, which tells much of
what was said. So values go when a user is erased: all of the store, since a vector does not tell whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from simplemem_service.cache.base import Cache
from simplemem_service.cache.scope import CacheScope
from simplemem_service.constants import CACHE_LIFETIME
from simplemem_service.embedding.base import Embedding
from simplemem_service.models.entry import Vector
from simplemem_service.telemetry import Metrics


class CachedEmbedding(Embedding):
    """Asks a cache before the model.

    Parameters
    ----------
    inner
        The model.
    cache
        Where vectors are kept.
    scope
        The store's keys.
    metrics
        Where hits and misses are counted.
    """

    def __init__(self, inner: Embedding, cache: Cache, scope: CacheScope, metrics: Metrics) -> None:
        self._inner = inner
        self.cache = cache
        self.scope = scope
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
            await self.cache.set_many({keys[text]: _bytes(vector) for text, vector in fresh.items()}, CACHE_LIFETIME)
            known |= fresh
        return [known[text] for text in texts]

    @override
    async def encode_query(self, text: str) -> Vector:
        key = self._key("query", text)
        vector = self._vector(await self.cache.get(key))
        self._count("query_vectors", int(vector is not None), int(vector is None))
        if vector is None:
            vector = await self._inner.encode_query(text)
            await self.cache.set(key, _bytes(vector), CACHE_LIFETIME)
        return vector

    @override
    def count_tokens(self, text: str) -> int:
        return self._inner.count_tokens(text)

    @override
    def known_share(self, text: str) -> float:
        return self._inner.known_share(text)

    @override
    def forget(self) -> None:
        self.cache.forget_local()
        self._inner.forget()

    @override
    async def sweep(self) -> bool:
        """Also remove all that the store has in the shared cache."""
        self.forget()
        return await self.cache.forget(self.scope.prefix)

    def _key(self, purpose: str, text: str) -> str:
        """Key of a text; the same text as a question and as a document may have two vectors."""
        return self.scope.key("vector", self.model, str(self.dimension), purpose, text)

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

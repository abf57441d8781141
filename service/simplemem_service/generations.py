"""Opens a store with the model that its vectors come from, and again when a re-embedding has moved it on.

What the MemoryStore names decides for a new store only. Where it names another model later, the store answers with the
one it has, and says so, until it is re-embedded.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from simplemem_service.cache.scope import CacheScope, read_scope
from simplemem_service.config import Config
from simplemem_service.embedding.base import Embedding
from simplemem_service.embedding.pool import EmbeddingPool
from simplemem_service.errors import IdentityMismatchError
from simplemem_service.parts import Parts
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.identity import read_generation, read_identity
from simplemem_service.telemetry import Metrics

if TYPE_CHECKING:
    from simplemem_service.llm.budget import Budget
    from simplemem_service.storage.blobs import BlobStore


class Generations:
    """The generations of a process's store.

    Parameters
    ----------
    config
        The settings of the process.
    metrics
        Its figures.
    """

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self.pool = EmbeddingPool(self._create_embedding)
        """The models that are loaded."""
        self._budget: Budget | None = None
        self._scope: CacheScope | None = None

    @property
    def named(self) -> str:
        """The model that the MemoryStore names."""
        return self._config.store.embedding.model

    async def connect(self) -> BlobStore:
        """Where the small files of the store lie; what paid models cost is noted there, and the keys of its caches.

        Raises `CarelessBucketError` before anything is accepted, if the place would lose it.
        """

        def create() -> tuple[BlobStore, Budget | None]:
            from simplemem_service.factory.models import create_budget
            from simplemem_service.factory.storage import create_blobs

            blobs = create_blobs(self._config)
            return blobs, create_budget(self._config, blobs)

        blobs, self._budget = await asyncio.to_thread(create)
        await blobs.check_conditions()
        self._scope = await read_scope(blobs) if self._config.redis_url is not None else None
        return blobs

    async def model(self, blobs: BlobStore) -> str:
        """Name of the model that the store's vectors come from, or that a new store is to have."""
        identity = await read_identity(blobs)
        return self.named if identity is None else identity.model

    async def load(self, model: str) -> Embedding:
        """A model, loaded. Raises `IdentityMismatchError` if it is not as the MemoryStore says."""
        embedding = await self.pool.get(model)
        wanted, found = self._config.store.embedding.dimension, embedding.dimension
        if model == self.named and wanted not in (0, found):
            raise IdentityMismatchError(f"model '{model}' has {found} dimensions, the spec says {wanted}")
        return embedding

    async def open(self, blobs: BlobStore, former: Parts | None) -> tuple[Parts, Embedding]:
        """The parts of the store's present generation, opened, and its model.

        Parameters
        ----------
        blobs
            Where the small files lie.
        former
            The parts of the generation before, if this process has some.
        """
        identity = await read_identity(blobs)
        embedding = await self.load(self.named if identity is None else identity.model)
        identity = identity or StoreIdentity(embedding.model, embedding.dimension)
        if embedding.dimension != identity.dimension:
            raise IdentityMismatchError(
                f"model '{embedding.model}' gives vectors of {embedding.dimension} dimensions, the store holds vectors "
                f"of {identity.dimension}; name the model that they come from, or another one and re-embed"
            )

        def create() -> Parts:
            from simplemem_service.factory.parts import create_parts

            return create_parts(
                self._config,
                embedding,
                self._metrics,
                blobs=blobs,
                pool=self.pool,
                former=former,
                generation=identity.generation,
                budget=self._budget,
            )

        parts = await asyncio.to_thread(create)
        await parts.storage.open(identity)
        return parts, embedding

    @staticmethod
    async def has_moved(parts: Parts) -> bool:
        """Whether the store has a later generation than the parts answer with."""
        return await read_generation(parts.blobs, parts.generation + 1) is not None

    async def close(self) -> None:
        """Let go of the models."""
        await self.pool.close()

    def _create_embedding(self, model: str) -> Embedding:
        from simplemem_service.factory.embedding import create_embedding

        return create_embedding(self._config, self._metrics, model, budget=self._budget, scope=self._scope)

"""What answers questions."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import replace

from simplemem_api.memory_spec import LexicalEngine, When
from simplemem_api.resolved import ResolvedStore
from simplemem_service.cache.cached_embedding import CachedEmbedding
from simplemem_service.cache.cached_retriever import AnyRetriever, CachedRetriever
from simplemem_service.config import Config
from simplemem_service.embedding.base import Embedding
from simplemem_service.embedding.pool import EmbeddingPool
from simplemem_service.index.base import LexicalView
from simplemem_service.index.catalogue import Catalogue
from simplemem_service.index.follow import Follower
from simplemem_service.index.rank_bm25_index import RankBm25Index
from simplemem_service.index.tantivy_index import TantivyIndex
from simplemem_service.index.vector_index import VectorIndex
from simplemem_service.ingest.used_days import UsedDays
from simplemem_service.llm.base import LanguageModel
from simplemem_service.parts import Parts
from simplemem_service.pipeline.planned_retrieve import PlannedRetriever
from simplemem_service.pipeline.recipe import Recipe
from simplemem_service.pipeline.retrieve import Retriever
from simplemem_service.telemetry import Metrics

INDEX = "index"
"""Folder of the lexical index within the volume or the pod's own disk; it may be lost."""


def add_views(
    config: Config, parts: Parts, embedding: Embedding, metrics: Metrics, pool: EmbeddingPool | None
) -> Parts:
    """The parts with what answers questions."""
    follower = Follower(parts.storage, _create_lexical(config), VectorIndex(), Catalogue())
    follower.on_removed = embedding.forget if pool is None else pool.forget
    plain = Retriever(embedding, follower)
    retriever = _create_retriever(config.store, embedding, plain, parts.model)
    if isinstance(embedding, CachedEmbedding):
        retriever = _create_cached(config, retriever, embedding, follower, metrics=metrics, generation=parts.generation)
    used = parts.used
    if used is None and config.store.retention.unused_days is not None:
        used = UsedDays(parts.blobs)
    return replace(parts, follower=follower, retriever=retriever, used=used, plain=plain)


def _create_lexical(config: Config) -> LexicalView:
    is_plain = config.store.lexical is LexicalEngine.RANK_BM25
    return RankBm25Index() if is_plain else TantivyIndex(config.data / INDEX)


def _create_retriever(
    store: ResolvedStore, embedding: Embedding, plain: Retriever, model: LanguageModel | None
) -> AnyRetriever:
    settings = store.retrieval
    if model is None or settings.planning is settings.reflection is When.NEVER:
        return plain
    return PlannedRetriever(
        plain,
        model,
        planning=settings.planning,
        reflection=settings.reflection,
        count_tokens=embedding.count_tokens,
    )


def _create_cached(
    config: Config,
    inner: AnyRetriever,
    embedding: CachedEmbedding,
    follower: Follower,
    *,
    metrics: Metrics,
    generation: int,
) -> CachedRetriever:
    """Results in the embedding's cache; the key tells the tables and all that a result depends on."""
    store = config.store
    place = [store.storage.model_dump_json(), f"{store.namespace}/{store.name}", f"{embedding.model}/{generation}"]
    if store.storage.s3 is None:
        place += [socket.gethostname(), str(config.data)]
    settings = [store.embedding.model_dump_json(), store.llm.model_dump_json(), store.retrieval.model_dump_json()]
    identity = hashlib.sha256(repr((place, settings, Recipe())).encode()).hexdigest()
    return CachedRetriever(
        inner,
        embedding.cache,
        follower,
        scope=embedding.scope,
        settings=identity,
        count_tokens=embedding.count_tokens,
        metrics=metrics,
    )

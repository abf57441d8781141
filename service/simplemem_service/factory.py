"""Builds the parts of a process; the only place that names concrete backends.

Called in a thread, since importing the libraries behind the parts takes seconds.
"""

from __future__ import annotations

import hashlib
import socket

from simplemem_api.memory_spec import LexicalEngine, LlmMode, When
from simplemem_api.resolved import ResolvedS3, ResolvedStore, StorageKind
from simplemem_api.workload_spec import Device
from simplemem_service.api.token_file import read_own_token
from simplemem_service.cache.cached_embedding import CachedEmbedding
from simplemem_service.cache.cached_retriever import AnyRetriever, CachedRetriever
from simplemem_service.cache.redis_cache import RedisCache
from simplemem_service.cache.tiered import TieredCache
from simplemem_service.config import Config, Role
from simplemem_service.embedding.base import Embedding
from simplemem_service.embedding.local import LocalEmbedding
from simplemem_service.embedding.remote import RemoteEmbedding
from simplemem_service.embedding.torch_encoder import find_device
from simplemem_service.errors import ConfigError
from simplemem_service.index.base import LexicalView
from simplemem_service.index.catalogue import Catalogue
from simplemem_service.index.follow import Follower
from simplemem_service.index.rank_bm25_index import RankBm25Index
from simplemem_service.index.tantivy_index import TantivyIndex
from simplemem_service.index.vector_index import VectorIndex
from simplemem_service.ingest.journal import Journal
from simplemem_service.ingest.worker import Worker
from simplemem_service.llm.base import LanguageModel
from simplemem_service.llm.budget import Budget
from simplemem_service.llm.cache import BlobCache
from simplemem_service.llm.ledger import Ledger
from simplemem_service.llm.litellm_client import LiteLlmClient
from simplemem_service.llm.router import Router
from simplemem_service.measured import MeasuredEmbedding
from simplemem_service.parts import Parts
from simplemem_service.pipeline.compress import CompressionStage, Compressor
from simplemem_service.pipeline.llm_compress import LlmCompressor
from simplemem_service.pipeline.planned_retrieve import PlannedRetriever
from simplemem_service.pipeline.recipe import Recipe
from simplemem_service.pipeline.retrieve import Retriever
from simplemem_service.storage.base import Storage
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.lease import BucketLease, FileLease, Lease
from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.storage.s3_blobs import S3BlobStore
from simplemem_service.telemetry import Metrics

STORE = "store"
"""Folder of the store within the volume; beside it lies what may be lost, such as downloaded weights."""
INDEX = "index"
"""Folder of the lexical index within the volume or the pod's own disk; it may be lost."""
TABLES = "tables"
"""Folder of the LanceDB tables within the store's folder or prefix."""


def create_embedding(config: Config, metrics: Metrics) -> Embedding:
    """The embedding model, not loaded yet."""
    model = config.store.embedding.model
    downloads = config.data / "models"
    device = "cpu"
    if config.role is Role.EMBEDDING and config.store.embedding.device is Device.GPU:
        device = find_device()
    inner: Embedding = LocalEmbedding(
        model, models_folder=config.models, cache_folder=downloads, encoders=config.encoders, device=device
    )
    if config.embedding_addresses and config.role.ingests:
        inner = RemoteEmbedding(inner, config.embedding_addresses, metrics, read_token=lambda: _read_own_token(config))
    measured = MeasuredEmbedding(inner, metrics)
    if config.redis_url is None:
        return measured
    return CachedEmbedding(measured, TieredCache(RedisCache(config.redis_url, metrics)), metrics)


def _read_own_token(config: Config) -> str | None:
    is_needed = config.store.access.token_secret_name is not None and config.tokens is not None
    return read_own_token(config.tokens) if is_needed and config.tokens is not None else None


def create_parts(config: Config, embedding: Embedding, metrics: Metrics) -> Parts:
    """The parts of the roles all, retrieval and ingest; nothing is opened yet."""
    blobs, storage, lease = _create_storage(config)
    journal = Journal(blobs)
    budget = model = worker = None
    if config.store.llm.mode is LlmMode.MODEL:
        budget = Budget(config.store.budget, Ledger(blobs, f"{socket.gethostname()}-{config.role}"))
        model = _create_model(config, budget, metrics)
    if config.role.ingests:
        replies = BlobCache(blobs)
        compressor = _create_compressor(config.store, embedding, model, replies, metrics)
        workers = config.store.compression.workers
        worker = Worker(
            journal, storage, compressor, lease, metrics, blobs=blobs, embedding=embedding, model=model, workers=workers
        )
        worker.erase_hooks.append(replies.forget_user)
    follower = None
    retriever: AnyRetriever | None = None
    if config.role.serves:
        catalogue = Catalogue()
        follower = Follower(storage, _create_lexical(config), VectorIndex(), catalogue)
        retriever = _create_retriever(config.store, embedding, follower, model)
        if isinstance(embedding, CachedEmbedding):
            retriever = _create_cached(config, retriever, embedding, follower, metrics)
    return Parts(config.store, blobs, storage, journal, follower, retriever, worker, model, budget)


def _create_model(config: Config, budget: Budget, metrics: Metrics) -> LanguageModel:
    llm = config.store.llm
    client = LiteLlmClient(llm.api_base, config.llm_timeout_seconds)
    return Router(client, llm.models, llm.routing, budget, metrics, calls_per_minute=config.llm_calls_per_minute)


def _create_retriever(
    store: ResolvedStore, embedding: Embedding, follower: Follower, model: LanguageModel | None
) -> AnyRetriever:
    plain = Retriever(embedding, follower)
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
    config: Config, inner: AnyRetriever, embedding: CachedEmbedding, follower: Follower, metrics: Metrics
) -> CachedRetriever:
    """Results in the embedding's cache; the key tells the tables and all that a result depends on."""
    store = config.store
    place = [store.storage.model_dump_json(), f"{store.namespace}/{store.name}"]
    if store.storage.kind is StorageKind.PVC:
        place += [socket.gethostname(), str(config.data)]
    settings = [store.embedding.model_dump_json(), store.llm.model_dump_json(), store.retrieval.model_dump_json()]
    identity = hashlib.sha256(repr((place, settings, Recipe())).encode()).hexdigest()
    return CachedRetriever(
        inner, embedding.cache, follower, store=identity, count_tokens=embedding.count_tokens, metrics=metrics
    )


def _create_storage(config: Config) -> tuple[BlobStore, Storage, Lease]:
    kind = config.store.storage.kind
    writes = config.role.ingests
    if kind is StorageKind.PVC:
        place = config.data / STORE
        local = LocalBlobStore(place)
        return local, LanceStorage(str(place / TABLES), {}, local, writes=writes), FileLease(config.data)
    s3 = config.store.storage.s3
    if kind is StorageKind.S3 and s3 is not None:
        bucket = S3BlobStore(s3)
        uri = f"s3://{s3.bucket}/{s3.prefix}/{TABLES}"
        return bucket, LanceStorage(uri, _s3_options(s3), bucket, writes=writes), BucketLease(bucket)
    raise ConfigError(f"storage {kind} is not yet in force; name storage.s3 or storage.pvc")


def _s3_options(s3: ResolvedS3) -> dict[str, str]:
    options = {"aws_region": s3.region}
    if s3.endpoint is not None:
        is_plain = s3.endpoint.startswith("http://")
        options |= {
            "aws_endpoint": s3.endpoint,
            "allow_http": str(is_plain).lower(),
            "aws_virtual_hosted_style_request": "false",
        }
    return options


def _create_lexical(config: Config) -> LexicalView:
    is_plain = config.store.lexical is LexicalEngine.RANK_BM25
    return RankBm25Index() if is_plain else TantivyIndex(config.data / INDEX)


def _create_compressor(
    store: ResolvedStore, embedding: Embedding, model: LanguageModel | None, replies: BlobCache, metrics: Metrics
) -> CompressionStage:
    compression = store.compression
    rules = Compressor(
        embedding,
        window_turns=compression.window_turns,
        overlap_turns=compression.overlap_turns,
        density_threshold=float(compression.density_threshold),
        observe=lambda density: metrics.window_density.observe(density.score),
    )
    if model is None:
        return rules
    return LlmCompressor(
        rules,
        model,
        replies,
        metrics,
        workers=compression.workers,
        overlap_turns=compression.overlap_turns,
    )

"""Builds the parts of a process; the only place that names concrete backends.

Called in a thread, since importing the libraries behind the parts takes seconds.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from dataclasses import replace

from simplemem_api.memory_spec import LexicalEngine, LlmMode, When
from simplemem_api.resolved import ResolvedBackup, ResolvedS3, ResolvedStore, StorageKind
from simplemem_api.storage_spec import ARCHIVES, S3StorageClass
from simplemem_api.workload_spec import Device
from simplemem_service.api.token_file import read_own_token
from simplemem_service.backup.copy import Report
from simplemem_service.backup.job import BackupJob
from simplemem_service.backup.place import CopyPlace
from simplemem_service.backup.restore import Restorer
from simplemem_service.cache.cached_embedding import CachedEmbedding
from simplemem_service.cache.cached_retriever import AnyRetriever, CachedRetriever
from simplemem_service.cache.redis_cache import RedisCache
from simplemem_service.cache.scope import CacheScope
from simplemem_service.cache.tiered import TieredCache
from simplemem_service.config import Config, Role
from simplemem_service.constants import GENERATION_POLL
from simplemem_service.embedding.api_embedding import ApiEmbedding
from simplemem_service.embedding.base import Embedding
from simplemem_service.embedding.local import LocalEmbedding
from simplemem_service.embedding.pool import EmbeddingPool
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
from simplemem_service.ingest.reembed import Reembedder
from simplemem_service.ingest.reembed_jobs import Jobs
from simplemem_service.ingest.retention import Retention
from simplemem_service.ingest.used_days import UsedDays
from simplemem_service.ingest.worker import Worker
from simplemem_service.llm.base import LanguageModel
from simplemem_service.llm.budget import Budget
from simplemem_service.llm.cache import BlobCache
from simplemem_service.llm.ledger import Ledger
from simplemem_service.llm.litellm_client import LiteLlmClient
from simplemem_service.llm.litellm_embeddings import LiteLlmEmbeddings
from simplemem_service.llm.machines import Machines
from simplemem_service.llm.provider_models import is_provider_model
from simplemem_service.llm.router import Router
from simplemem_service.llm.spending import Spending
from simplemem_service.measured import MeasuredEmbedding
from simplemem_service.parts import Parts
from simplemem_service.pipeline.compress import CompressionStage, Compressor
from simplemem_service.pipeline.llm_compress import LlmCompressor
from simplemem_service.pipeline.planned_retrieve import PlannedRetriever
from simplemem_service.pipeline.recipe import Recipe
from simplemem_service.pipeline.retrieve import Retriever
from simplemem_service.storage.bells import JOURNAL_BELL, TABLES_BELL, AlwaysRinging, Bell, BucketBell
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.lance_cloud import CloudPlace, CloudStorage
from simplemem_service.storage.lance_raw import RawTables
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


def create_embedding(
    config: Config,
    metrics: Metrics,
    model: str | None = None,
    *,
    budget: Budget | None = None,
    scope: CacheScope | None = None,
) -> Embedding:
    """An embedding model, not loaded yet; None: the one that the MemoryStore names.

    Parameters
    ----------
    config, metrics
        Of the process.
    model
        Its name; another one than the MemoryStore's while the store is re-embedded.
    budget
        Notes what a provider's model costs; None: the metrics alone.
    scope
        The store's keys in a shared cache; None: of a process without a store, which uses none.
    """
    model = model or config.store.embedding.model
    is_api = _is_api(config, model)
    inner = _create_api_embedding(config, metrics, model, budget) if is_api else _create_local(config, metrics, model)
    measured = MeasuredEmbedding(inner, metrics)
    if config.redis_url is None or scope is None:
        return measured
    return CachedEmbedding(measured, TieredCache(RedisCache(config.redis_url, metrics)), scope, metrics)


def _is_api(config: Config, model: str) -> bool:
    """Whether a model is called over the network; of the one that the MemoryStore names, its device says so."""
    named = config.store.embedding
    return named.device is Device.API if model == named.model else is_provider_model(model)


def _create_api_embedding(config: Config, metrics: Metrics, model: str, budget: Budget | None) -> Embedding:
    api_base, spending = config.store.llm.api_base, Spending(metrics, budget)
    provider = LiteLlmEmbeddings(model, api_base, config.llm_timeout_seconds, spending, metrics)
    return ApiEmbedding(model, provider)


def _create_local(config: Config, metrics: Metrics, model: str) -> Embedding:
    device = "cpu"
    if config.role is Role.EMBEDDING and config.store.embedding.device is Device.GPU:
        device = find_device()
    inner = LocalEmbedding(
        model,
        models_folder=config.models,
        cache_folder=config.data / "models",
        encoders=config.encoders,
        device=device,
    )
    # The embedding pods serve the model that the MemoryStore names.
    if not config.embedding_addresses or not config.role.ingests or model != config.store.embedding.model:
        return inner
    return RemoteEmbedding(inner, config.embedding_addresses, metrics, read_token=lambda: _read_own_token(config))


def _read_own_token(config: Config) -> str | None:
    is_needed = config.store.access.token_secret_name is not None and config.tokens is not None
    return read_own_token(config.tokens) if is_needed and config.tokens is not None else None


def create_parts(
    config: Config,
    embedding: Embedding,
    metrics: Metrics,
    *,
    blobs: BlobStore | None = None,
    pool: EmbeddingPool | None = None,
    former: Parts | None = None,
    generation: int = 0,
    budget: Budget | None = None,
) -> Parts:
    """The parts of the roles all, retrieval and ingest; nothing is opened yet.

    Parameters
    ----------
    config, metrics
        Of the process.
    embedding
        The model of the vectors in use, loaded.
    blobs
        Where the small files lie; None: as the configuration says.
    pool
        Gives the model of a re-embedding; None: none can be done.
    former
        Parts of the generation before, which these share the journal and the language models with.
    generation
        The store's generation.
    budget
        What paid models may cost; None: as the configuration says.
    """
    blobs = blobs or create_blobs(config)
    storage, lease = _create_storage(config, blobs)
    budget = budget or (former.budget if former is not None else create_budget(config, blobs))
    model = former.model if former is not None else _create_model(config, budget, metrics)
    bell = _create_bell(blobs, TABLES_BELL)
    # A writer in this process needs no telling.
    journal_bell = None if config.role.ingests else _create_bell(blobs, JOURNAL_BELL)
    journal = former.journal if former is not None else Journal(blobs, bell=journal_bell)
    jobs, used = Jobs(blobs, storage), former.used if former is not None else None
    parts = Parts(config.store, blobs, storage, journal, None, None, None, model, budget, jobs, generation, bell, used)
    if config.role.ingests:
        worker = _create_worker(config, parts, embedding, metrics, storage=storage, lease=lease, pool=pool)
        parts = replace(parts, worker=worker)
    if config.role.serves:
        parts = _with_views(config, parts, embedding, metrics, pool)
    return parts


def _create_bell(blobs: BlobStore, name: str) -> Bell:
    return BucketBell(blobs, name) if isinstance(blobs, S3BlobStore) else AlwaysRinging()


def _with_views(
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


def _create_worker(
    config: Config,
    parts: Parts,
    embedding: Embedding,
    metrics: Metrics,
    *,
    storage: LanceStorage,
    lease: Lease,
    pool: EmbeddingPool | None,
) -> Worker:
    store, blobs = config.store, parts.blobs
    # A re-embedding reads the tables' files, which LanceDB Cloud does not hand out.
    is_cloud = store.storage.kind is StorageKind.LANCEDB_CLOUD
    replies = BlobCache(blobs)
    worker = Worker(
        parts.journal,
        storage,
        _create_compressor(store, embedding, parts.model, replies, metrics),
        lease,
        metrics,
        blobs=blobs,
        embedding=embedding,
        model=parts.model if store.synthesis.mode is LlmMode.MODEL else None,
        workers=store.compression.workers,
        bell=_create_bell(blobs, JOURNAL_BELL),
        reembedder=None if pool is None or is_cloud else Reembedder(storage, blobs, pool.get, lease.check),
    )
    worker.erase_hooks.append(replies.forget_user)
    worker.sweeps.append(embedding.sweep if pool is None else pool.sweep)
    worker.add_chore(Retention(storage, parts.journal, blobs, metrics, store.retention, check=lease.check))
    if store.backup is not None and not is_cloud:
        worker.add_chore(_create_backup_job(store, store.backup, storage, blobs, lease.check))
    return worker


def _create_model(config: Config, budget: Budget | None, metrics: Metrics) -> LanguageModel | None:
    llm = config.store.llm
    if budget is None or llm.mode is not LlmMode.MODEL:
        return None
    client = LiteLlmClient(llm.api_base, config.llm_timeout_seconds)
    return Router(client, llm.models, llm.routing, budget, metrics, calls_per_minute=config.llm_calls_per_minute)


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
    if store.storage.kind is not StorageKind.S3:
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


def create_budget(config: Config, blobs: BlobStore) -> Budget | None:
    """What paid models have cost and may cost; None where the store calls none."""
    store = config.store
    if store.llm.mode is not LlmMode.MODEL and store.embedding.device is not Device.API:
        return None
    ledger = Ledger(blobs, f"{socket.gethostname()}-{config.role}")
    return Budget(store.budget, ledger, Machines(config.month_file))


def create_blobs(config: Config) -> BlobStore:
    """Where the small files of the store lie."""
    kind, s3 = config.store.storage.kind, config.store.storage.s3
    if kind is StorageKind.S3 and s3 is not None:
        return S3BlobStore(s3)
    return LocalBlobStore(config.data / STORE)


def _create_storage(config: Config, blobs: BlobStore) -> tuple[LanceStorage, Lease]:
    lease, writes, cloud = _create_lease(config, blobs), config.role.ingests, config.store.storage.lance_db_cloud
    if cloud is not None:
        place = CloudPlace(cloud.uri, cloud.region, config.need_lancedb_key(), config.lancedb_host)
        return CloudStorage(place, blobs, writes=writes), lease
    uri, options = _tables_place(config)
    return LanceStorage(uri, options, blobs, writes=writes), lease


def _tables_place(config: Config) -> tuple[str, dict[str, str]]:
    """Where the tables lie, and LanceDB's options for it; raises `ConfigError` where their files are a vendor's."""
    s3, cloud = config.store.storage.s3, config.store.storage.lance_db_cloud
    if cloud is not None:
        raise ConfigError(f"spec.storage.lanceDBCloud is '{cloud.uri}'; a copy comes back only into pvc or s3")
    if config.store.storage.kind is StorageKind.S3 and s3 is not None:
        return f"s3://{s3.bucket}/{s3.prefix}/{TABLES}", _s3_options(s3)
    return str(config.data / STORE / TABLES), {}


def _create_lease(config: Config, blobs: BlobStore) -> Lease:
    return BucketLease(blobs) if isinstance(blobs, S3BlobStore) else FileLease(config.data)


def _create_backup_job(
    store: ResolvedStore, backup: ResolvedBackup, storage: LanceStorage, blobs: BlobStore, check: Callable[[], None]
) -> BackupJob:
    # A look costs nothing on a volume, and in a bucket 1 cent a day.
    look_seconds = GENERATION_POLL.total_seconds() if isinstance(blobs, S3BlobStore) else 0.0
    place = CopyPlace(backup.s3, os.environ)
    name = f"{store.namespace}/{store.name}"
    own = store.storage.s3
    return BackupJob(storage, blobs, name, backup, place, check=check, look_seconds=look_seconds, own=own)


def create_restorer(config: Config, place: CopyPlace, report: Report) -> Restorer:
    """What brings a copy back into the store of a configuration."""
    blobs = create_blobs(config)
    return Restorer(place, blobs, RawTables(*_tables_place(config)), _create_lease(config, blobs), report)


def _s3_options(s3: ResolvedS3) -> dict[str, str]:
    options = {"aws_region": s3.region}
    if s3.storage_class is not S3StorageClass.STANDARD and s3.storage_class not in ARCHIVES:
        # Lance's own client would send the class as a header that it does not sign, which AWS refuses.
        options |= {"use_opendal": "true", "default_storage_class": s3.storage_class}
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

"""What turns are worked off by."""

from __future__ import annotations

from simplemem_api.in_force import backup_in_force
from simplemem_api.memory_spec import LlmMode
from simplemem_api.resolved import ResolvedStore, StorageKind
from simplemem_service.config import Config
from simplemem_service.embedding.base import Embedding
from simplemem_service.embedding.pool import EmbeddingPool
from simplemem_service.factory.storage import create_backup_job, create_bell
from simplemem_service.ingest.reembed import Reembedder
from simplemem_service.ingest.retention import Retention
from simplemem_service.ingest.worker import Worker
from simplemem_service.llm.base import LanguageModel
from simplemem_service.llm.cache import BlobCache
from simplemem_service.parts import Parts
from simplemem_service.pipeline.compress import CompressionStage, Compressor
from simplemem_service.pipeline.llm_compress import LlmCompressor
from simplemem_service.storage.bells import JOURNAL_BELL
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.lease import Lease
from simplemem_service.telemetry import Metrics


def create_worker(
    config: Config,
    parts: Parts,
    embedding: Embedding,
    metrics: Metrics,
    *,
    storage: LanceStorage,
    lease: Lease,
    pool: EmbeddingPool | None,
) -> Worker:
    """What works turns off, with all that it does between two batches."""
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
        bell=create_bell(blobs, JOURNAL_BELL),
        reembedder=None if pool is None or is_cloud else Reembedder(storage, blobs, pool.get, lease.check),
    )
    worker.erase_hooks.append(replies.forget_user)
    worker.sweeps.append(embedding.sweep if pool is None else pool.sweep)
    worker.add_chore(Retention(storage, parts.journal, blobs, metrics, store.retention, check=lease.check))
    if (backup := backup_in_force(store)) is not None:
        worker.add_chore(create_backup_job(store, backup, storage, blobs, lease.check))
    return worker


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

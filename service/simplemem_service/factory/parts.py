"""All parts of a process."""

from __future__ import annotations

from dataclasses import replace

from simplemem_service.config import Config
from simplemem_service.embedding.base import Embedding
from simplemem_service.embedding.pool import EmbeddingPool
from simplemem_service.factory.ingest import create_worker
from simplemem_service.factory.models import create_budget, create_model
from simplemem_service.factory.retrieval import add_views
from simplemem_service.factory.storage import create_bell, create_blobs, create_storage
from simplemem_service.ingest.journal import Journal
from simplemem_service.ingest.reembed_jobs import Jobs
from simplemem_service.llm.budget import Budget
from simplemem_service.parts import Parts
from simplemem_service.storage.bells import JOURNAL_BELL, TABLES_BELL
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.telemetry import Metrics


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
    storage, lease = create_storage(config, blobs)
    budget = budget or (former.budget if former is not None else create_budget(config, blobs))
    model = former.model if former is not None else create_model(config, budget, metrics)
    bell = create_bell(blobs, TABLES_BELL)
    # A writer in this process needs no telling.
    journal_bell = None if config.role.ingests else create_bell(blobs, JOURNAL_BELL)
    journal = former.journal if former is not None else Journal(blobs, bell=journal_bell)
    jobs, used = Jobs(blobs, storage), former.used if former is not None else None
    parts = Parts(config.store, blobs, storage, journal, None, None, None, model, budget, jobs, generation, bell, used)
    if config.role.ingests:
        worker = create_worker(config, parts, embedding, metrics, storage=storage, lease=lease, pool=pool)
        parts = replace(parts, worker=worker)
    if config.role.serves:
        parts = add_views(config, parts, embedding, metrics, pool)
    return parts

"""The parts of a running store, as the API and the life cycle see them; `factory/` decides what they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simplemem_api.resolved import ResolvedStore
from simplemem_service.ingest.journal import Journal
from simplemem_service.llm.base import LanguageModel
from simplemem_service.llm.budget import Budget
from simplemem_service.storage.base import Storage
from simplemem_service.storage.bells import AlwaysRinging, Bell
from simplemem_service.storage.blobs import BlobStore

# For types alone: they bring libraries that take seconds to import, and /livez must answer before.
if TYPE_CHECKING:
    from simplemem_service.cache.cached_retriever import AnyRetriever
    from simplemem_service.index.follow import Follower
    from simplemem_service.ingest.reembed_jobs import Jobs
    from simplemem_service.ingest.used_days import UsedDays
    from simplemem_service.ingest.worker import Worker
    from simplemem_service.pipeline.retrieve import Retriever


@dataclass(frozen=True, slots=True)
class Parts:
    """What a process of the roles all, retrieval and ingest works with."""

    store: ResolvedStore
    """The MemoryStore with every default filled in."""
    blobs: BlobStore
    """Small immutable files."""
    storage: Storage
    """Tables of entries and turns."""
    journal: Journal
    """Durable operations."""
    follower: Follower | None
    """Keeps the views at the table's version, in roles that answer questions."""
    retriever: AnyRetriever | None
    """Answers questions, in roles that do."""
    worker: Worker | None
    """Works off the journal, in roles that ingest."""
    model: LanguageModel | None = None
    """The language models; None in Rules mode."""
    budget: Budget | None = None
    """What they, and a provider's embedding model, cost and may cost; None where neither is called."""
    jobs: Jobs | None = None
    """Re-embeddings; None where the parts were made without a way to load another model."""
    generation: int = 0
    """The store's generation that these parts answer with."""
    bell: Bell = field(default_factory=AlwaysRinging)
    """Rings where another process has written the tables."""
    used: UsedDays | None = None
    """Notes what is found, where the store forgets what is not, in roles that answer questions."""
    plain: Retriever | None = None
    """Answers without language models and caches, in roles that answer questions."""

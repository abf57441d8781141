"""The MemoryStore as users write it; defaults stay open here and are filled in by `resolve`."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from simplemem_api.base import Cel, NamespaceName, Part, StoreName
from simplemem_api.memory_spec import (
    BudgetSpec,
    CompressionSpec,
    LexicalSpec,
    LlmSpec,
    RetentionSpec,
    RetrievalSpec,
    SynthesisSpec,
)
from simplemem_api.status import MemoryStoreStatus
from simplemem_api.storage_spec import BackupSpec, StorageSpec
from simplemem_api.workload_spec import AccessSpec, AutoscalingSpec, CacheSpec, EmbeddingSpec, PodsSpec

GROUP = "simplemem.io"
"""API group."""
VERSION = "v1alpha1"
"""API version."""
KIND = "MemoryStore"
"""Kind."""
PLURAL = "memorystores"
"""Resource name."""


class TierName(StrEnum):
    """The five cost tiers."""

    MINIMAL = "Minimal"
    COST_EFFECTIVE = "CostEffective"
    GPU_ACCELERATED = "GPUAccelerated"
    ENTERPRISE = "Enterprise"
    HYBRID = "Hybrid"


ONE_REPLICA = "a PVC store has exactly one replica and no autoscaling; name storage.s3 or storage.lanceDBCloud to scale"
"""Text of the rule that holds a volume to one writer."""
NEEDS_SHARED = "tiers GPUAccelerated and Enterprise need storage.s3 or storage.lanceDBCloud"
"""Text of the rule that the replicated tiers share their data."""
DIMENSION_FIXED = "embedding.dimension is immutable; `simplemem reembed --model NAME` moves a store to another model"
"""Text of the rule that vectors of one length stay together."""

_SHARED = "has(self.storage) && (has(self.storage.s3) || has(self.storage.lanceDBCloud))"


class MemoryStoreSpec(Part):
    """What a store should be. `tier` picks a row of the tier table; every other field overrides that row."""

    tier: TierName = TierName.COST_EFFECTIVE
    """Row of the tier table."""
    suspend: bool | None = None
    """True: no pods, data kept."""
    storage: StorageSpec | None = None
    """Where the data lies; default: a volume (Minimal, CostEffective, Hybrid)."""
    embedding: EmbeddingSpec | None = None
    """How texts become vectors."""
    llm: LlmSpec | None = None
    """The language models."""
    lexical: LexicalSpec | None = None
    """The lexical view."""
    compression: CompressionSpec | None = None
    """Stage 1: turns become entries."""
    synthesis: SynthesisSpec | None = None
    """Stage 2: what newer entries mean for older ones."""
    retrieval: RetrievalSpec | None = None
    """Stage 3: questions become entries."""
    autoscaling: AutoscalingSpec | None = None
    """An autoscaler for the retrieval pods; default on in GPUAccelerated (3..6) and Enterprise (6..20)."""
    cache: CacheSpec | None = None
    """What spares repeated work."""
    backup: BackupSpec | None = None
    """Regular copies of the store."""
    retention: RetentionSpec | None = None
    """What is forgotten."""
    budget: BudgetSpec | None = None
    """What the store may cost."""
    access: AccessSpec | None = None
    """Who may use the API."""
    pods: PodsSpec | None = None
    """What the pods of the store ask of the cluster."""

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            f"({_SHARED}) || (!has(self.autoscaling) && "
            "(!has(self.retrieval) || !has(self.retrieval.replicas) || self.retrieval.replicas == 1))",
            ONE_REPLICA,
        ),
        Cel(f"!(self.tier in ['GPUAccelerated', 'Enterprise']) || ({_SHARED})", NEEDS_SHARED),
        Cel(
            "!has(oldSelf.embedding) || !has(oldSelf.embedding.dimension) || (has(self.embedding) && "
            "has(self.embedding.dimension) && self.embedding.dimension == oldSelf.embedding.dimension)",
            DIMENSION_FIXED,
        ),
    )

    @property
    def has_shared_storage(self) -> bool:
        """Whether several pods may read the data at once."""
        return self.storage is not None and (self.storage.s3 is not None or self.storage.lance_db_cloud is not None)

    @model_validator(mode="after")
    def _scales_only_on_shared_storage(self) -> Self:
        if self.has_shared_storage:
            return self
        if self.tier in (TierName.GPU_ACCELERATED, TierName.ENTERPRISE):
            raise ValueError(NEEDS_SHARED)
        replicas = self.retrieval.replicas if self.retrieval else None
        if self.autoscaling is not None or replicas not in (None, 1):
            raise ValueError(ONE_REPLICA)
        return self


class Metadata(Part):
    """What the service reads of an object's metadata; the rest is Kubernetes' own."""

    model_config = ConfigDict(**{**Part.model_config, "extra": "ignore"})

    name: StoreName
    """Name of the store."""
    namespace: NamespaceName = "default"
    """Where it lives."""
    generation: int = 0
    """Counts the edits of the spec."""
    uid: str = ""
    """Identity of the object."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Free notes of users and tools."""


class MemoryStore(Part):
    """A lifelong memory for one tenant's agents: what to run, and in `status` what runs and what it costs."""

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",
            "metadata.name must begin with a letter, hold only a-z, 0-9 and -, and have at most 40 characters",
        ),
    )

    api_version: Literal["simplemem.io/v1alpha1"]
    """API group and version."""
    kind: Literal["MemoryStore"]
    """Kind of the object."""
    metadata: Metadata
    """Name and namespace."""
    spec: MemoryStoreSpec
    """What the store should be."""
    status: MemoryStoreStatus | None = None
    """What the operator found."""

    @classmethod
    def read(cls, manifest: dict[str, Any]) -> Self:
        """The store of a manifest whose status may hold what a newer operator wrote; the status is left out."""
        return cls.model_validate({key: value for key, value in manifest.items() if key != "status"})

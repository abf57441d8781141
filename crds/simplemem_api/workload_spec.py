"""How a store's pods run: the embedding device, scaling, cache, access and scheduling."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from simplemem_api.base import Cel, Name, NamespaceName, Part, SizeQuantity, Text
from simplemem_api.embedding_models import EMBEDDING_MODELS

Replicas = Annotated[int, Field(ge=1, le=1000)]
"""A number of pods, at least one."""
Labels = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)]
"""Labels that a node must carry."""
OpenObject = Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]
"""An object of Kubernetes' own, passed on to the pod as it is."""
Tolerations = Annotated[list[OpenObject], Field(max_length=32)]
"""Taints that the pods tolerate, as in a pod's spec."""


class Device(StrEnum):
    """Where texts are embedded."""

    CPU = "CPU"
    GPU = "GPU"
    API = "API"


class SpotPolicy(StrEnum):
    """Whether pods run on spot nodes."""

    NEVER = "Never"
    PREFERRED = "Preferred"
    REQUIRED = "Required"


class Weights(Part):
    """Where the model's weights lie."""

    claim_name: Name | None = None
    """A PersistentVolumeClaim with one folder a model."""
    image: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """An image with one folder a model, mounted as an image volume."""

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel("!(has(self.claimName) && has(self.image))", "at most one of claimName and image may be set"),
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.claim_name and self.image:
            raise ValueError("at most one of claimName and image may be set")
        return self


class GpuSpec(Part):
    """The embedding pods on GPU nodes."""

    min_replicas: Annotated[int, Field(ge=0, le=100)] | None = None
    """Pods kept while nothing waits; default 0."""
    max_replicas: Annotated[int, Field(ge=1, le=100)] | None = None
    """Pods at the height of a backlog; default: the tier's own."""
    idle_seconds: Annotated[int, Field(ge=10, le=86400)] | None = None
    """How long nothing must wait before the pods go, in seconds; default 300."""
    resource_name: (
        Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9.-]+/[A-Za-z0-9_.-]+$")] | None
    ) = None
    """Extended resource that a GPU is; default nvidia.com/gpu."""
    node_selector: Labels | None = None
    """Labels of the GPU nodes; default: T4 nodes."""
    tolerations: Tolerations | None = None
    """Taints of the GPU nodes; default: nvidia.com/gpu."""
    spot: SpotPolicy | None = None
    """Whether spot nodes are used (70% cheaper); default Preferred."""

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
            "minReplicas must not exceed maxReplicas",
        ),
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_replicas is not None and (self.min_replicas or 0) > self.max_replicas:
            raise ValueError("minReplicas must not exceed maxReplicas")
        return self


_DIMENSIONS = "{" + ", ".join(f"'{m.name}': {m.dimension}" for m in EMBEDDING_MODELS.values()) + "}"


class EmbeddingSpec(Part):
    """How texts become vectors."""

    model: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9][A-Za-z0-9_./:-]*$")] | None = None
    """A sentence-transformers name, or a LiteLLM embedding model where the device is API; default: the tier's own."""
    dimension: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Length of the vectors, for a model the catalogue does not know. Immutable."""
    device: Device | None = None
    """Where texts are embedded; API is a provider's model, called with the keys of llm.secretName or at llm.apiBase;
    default: the tier's own."""
    weights: Weights | None = None
    """Where the weights lie; default: in the image (all-MiniLM-L6-v2), else the hub, cached on the data volume."""
    gpu: GpuSpec | None = None
    """The embedding pods, where the device is GPU."""

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            f"!has(self.model) || has(self.dimension) || self.model in {_DIMENSIONS}",
            "a model that the catalogue does not know needs dimension",
        ),
        Cel(
            f"!has(self.model) || !has(self.dimension) || !(self.model in {_DIMENSIONS}) || "
            f"{_DIMENSIONS}[self.model] == self.dimension",
            "dimension must be the model's own; leave it out for a model that the catalogue knows",
        ),
    )

    @model_validator(mode="after")
    def _dimension_known(self) -> Self:
        known = EMBEDDING_MODELS.get(self.model or "")
        if self.model and known is None and self.dimension is None:
            raise ValueError("a model that the catalogue does not know needs dimension")
        if known and self.dimension not in (None, known.dimension):
            raise ValueError("dimension must be the model's own; leave it out for a model that the catalogue knows")
        return self


class AutoscalingSpec(Part):
    """A HorizontalPodAutoscaler that owns the number of retrieval pods."""

    min_replicas: Replicas
    """Pods at rest."""
    max_replicas: Replicas
    """Pods under load."""
    target_cpu_utilization_percentage: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, alias="targetCPUUtilizationPercentage"
    )
    """CPU use that the pods are kept at, in percent of their request; default 70."""
    metrics: Annotated[list[OpenObject], Field(max_length=8)] | None = None
    """More metrics beside CPU, as in a HorizontalPodAutoscaler (autoscaling/v2): Pods, Object or External."""

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel("self.minReplicas <= self.maxReplicas", "minReplicas must not exceed maxReplicas"),
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError("minReplicas must not exceed maxReplicas")
        return self


class ManagedRedis(Part):
    """A Redis Cluster run for the store."""

    replicas: Annotated[int, Field(ge=3, le=100)] | None = None
    """Nodes; default 3."""
    memory: SizeQuantity | None = None
    """Memory a node; default 16Gi."""
    password_secret_name: Name | None = None
    """Secret with REDIS_PASSWORD, of letters, digits and -._~; default: no password, only the store's pods get in."""


class RedisSpec(Part):
    """A Redis that spares repeated work; exactly one kind."""

    managed: ManagedRedis | None = None
    """Run one for the store."""
    url_secret_name: Name | None = None
    """Secret with REDIS_URL of an existing one."""

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel("has(self.managed) != has(self.urlSecretName)", "exactly one of managed and urlSecretName must be set"),
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.managed is None) == (self.url_secret_name is None):
            raise ValueError("exactly one of managed and urlSecretName must be set")
        return self


class CacheSpec(Part):
    """What spares repeated work."""

    redis: RedisSpec
    """The cache."""


class AccessSpec(Part):
    """Who may use the API."""

    token_secret_name: Name | None = None
    """Secret whose values are the bearer tokens, or JSON or key=value lines with token, scopes, user_id and
    requests_per_second; without it the port is open to the store's own namespace."""
    allowed_namespaces: Annotated[list[NamespaceName], Field(max_length=64)] | None = None
    """Namespaces that may reach the port; default: the store's own."""


class PodsSpec(Part):
    """What the pods of the store ask of the cluster."""

    resources: OpenObject | None = None
    """Requests and limits of the service's containers; default: the tier's own."""
    node_selector: Labels | None = None
    """Labels of the nodes."""
    tolerations: Tolerations | None = None
    """Taints that the pods tolerate."""
    affinity: OpenObject | None = None
    """Affinity, as in a pod's spec."""
    priority_class_name: Text | None = None
    """Priority of the pods."""
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)] | None = None
    """Annotations of the pods."""
    local_size: SizeQuantity | None = None
    """Most that a pod of a store without a volume keeps on its node, its copy of the index (110 MB a million entries)
    and fetched weights; a pod beyond it is replaced. Default: as much as the node lets it."""

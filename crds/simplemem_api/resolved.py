"""A MemoryStore with every default filled in: what operator and service both work from.

The operator writes it into the store's ConfigMap, the service reads it from there, and `simplemem up` makes it from a
YAML on a laptop: one meaning, three users.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import Field

from simplemem_api.base import Part
from simplemem_api.memory_spec import BudgetAction, LexicalEngine, LlmMode, Routing, When
from simplemem_api.memorystore import TierName
from simplemem_api.storage_spec import CloudPlan, DeletionPolicy, S3StorageClass
from simplemem_api.workload_spec import Device, SpotPolicy, Weights


class StorageKind(StrEnum):
    """Where the data lies."""

    PVC = "PVC"
    S3 = "S3"
    LANCEDB_CLOUD = "LanceDBCloud"


class ResolvedS3(Part):
    """A place in a bucket."""

    bucket: str
    """Name of the bucket."""
    prefix: str
    """Folder within the bucket, without slashes at its ends."""
    region: str
    """Region of the bucket."""
    endpoint: str | None
    """Address of an S3-compatible server; None: the provider's own."""
    credentials_secret_name: str | None
    """Secret with the credentials; None: the pod's own identity."""
    storage_class: S3StorageClass
    """Class of the objects."""


class ResolvedCloud(Part):
    """A database of LanceDB Cloud."""

    uri: str
    """Address of the database."""
    region: str
    """Region of the database."""
    api_key_secret_name: str
    """Secret with LANCEDB_API_KEY."""
    plan: CloudPlan
    """Plan paid for."""
    endpoint: str | None = None
    """Address of a server that speaks the API; None: the vendor's for the region."""


class ResolvedStorage(Part):
    """Where the data lies."""

    kind: StorageKind
    """Which of the places below."""
    volume_size: str | None
    """Size of the volume (PVC)."""
    storage_class_name: str | None
    """Class of the volume (PVC)."""
    s3: ResolvedS3 | None
    """The bucket: of all data (S3), or of the journal alone (LanceDB Cloud; None: it lies on a volume)."""
    lance_db_cloud: ResolvedCloud | None
    """The database (LanceDB Cloud)."""
    deletion_policy: DeletionPolicy
    """What happens to the data when the MemoryStore goes."""


class ResolvedGpu(Part):
    """The embedding pods."""

    min_replicas: int
    """Pods kept while nothing waits."""
    max_replicas: int
    """Pods at the height of a backlog."""
    idle_seconds: int
    """How long nothing must wait before the pods go, in seconds."""
    resource_name: str
    """Extended resource that a GPU is."""
    node_selector: dict[str, str]
    """Labels of the GPU nodes."""
    tolerations: list[dict[str, Any]]
    """Taints of the GPU nodes."""
    spot: SpotPolicy
    """Whether spot nodes are used."""


class ResolvedEmbedding(Part):
    """How texts become vectors."""

    model: str
    """Name of the model."""
    dimension: int
    """Length of its vectors."""
    device: Device
    """Where texts are embedded."""
    weights: Weights | None
    """Where the weights lie; None: in the image or on the hub."""
    gpu: ResolvedGpu | None
    """The embedding pods, where the device is GPU."""


class ResolvedLlm(Part):
    """The language models."""

    mode: LlmMode
    """Who compresses."""
    models: list[str]
    """LiteLLM names, in order."""
    routing: Routing
    """Which is tried first."""
    secret_name: str | None
    """Secret with the keys."""
    api_base: str | None
    """Address of an OpenAI-compatible server."""
    is_rules_by_choice: bool
    """Whether the spec itself says Rules, so that no language model is planned for."""


class ResolvedCompression(Part):
    """Stage 1: turns become entries."""

    window_turns: int
    """Turns in a window."""
    overlap_turns: int
    """Turns that a window shares with the one before."""
    workers: int
    """Windows compressed at the same time."""
    density_threshold: Decimal
    """Semantic density below which a window is dropped, from 0 to 1."""


class ResolvedSynthesis(Part):
    """Stage 2: what newer entries mean for older ones."""

    mode: LlmMode
    """Whether a language model merges related entries, where there is one."""


class ResolvedRetrieval(Part):
    """Stage 3: questions become entries."""

    replicas: int
    """Retrieval pods, where no autoscaler owns the number."""
    top_k: int
    """Entries returned where the question does not say."""
    max_tokens: int
    """Length of the context where the question does not say, in tokens."""
    planning: When
    """When a language model plans the search."""
    reflection: When
    """When a language model reranks."""


class ResolvedAutoscaling(Part):
    """The autoscaler of the retrieval pods."""

    min_replicas: int
    """Pods at rest."""
    max_replicas: int
    """Pods under load."""
    target_cpu_utilization_percentage: int
    """CPU use that the pods are kept at, in percent of their request."""
    metrics: list[dict[str, Any]] = Field(default_factory=list)
    """More metrics beside CPU, as an autoscaler spells them."""


class ResolvedRedis(Part):
    """The cache."""

    managed_replicas: int
    """Nodes of the managed Redis Cluster; 0 where an existing one is used."""
    managed_memory: str
    """Memory a managed node."""
    url_secret_name: str | None
    """Secret with REDIS_URL of an existing one."""
    password_secret_name: str | None = None
    """Secret with REDIS_PASSWORD of the managed one; None: no password."""


class ResolvedBackup(Part):
    """Regular copies."""

    schedule: str
    """When, as five cron fields."""
    s3: ResolvedS3
    """Where the copies go."""
    keep: int
    """How many copies stay."""


class ResolvedRetention(Part):
    """What is forgotten."""

    max_age_days: int | None
    """Age at which an entry goes, in days."""
    unused_days: int | None
    """Time without being found after which an entry goes, in days."""


class ResolvedBudget(Part):
    """What the store may cost."""

    monthly_usd: Decimal
    """Budget of a calendar month, US dollars."""
    on_exceeded: BudgetAction
    """What happens beyond it."""


class ResolvedAccess(Part):
    """Who may use the API."""

    token_secret_name: str | None
    """Secret whose values are the bearer tokens."""
    allowed_namespaces: list[str]
    """Namespaces that may reach the port."""


class ResolvedPods(Part):
    """What the pods ask of the cluster."""

    resources: dict[str, Any]
    """Requests and limits of the service's containers."""
    node_selector: dict[str, str]
    """Labels of the nodes."""
    tolerations: list[dict[str, Any]]
    """Taints that the pods tolerate."""
    affinity: dict[str, Any]
    """Affinity, as in a pod's spec."""
    priority_class_name: str | None
    """Priority of the pods."""
    annotations: dict[str, str]
    """Annotations of the pods."""
    local_size: str | None = None
    """Most that a pod without a volume keeps on its node; None: as much as the node lets it."""


class ResolvedStore(Part):
    """A MemoryStore with every default filled in."""

    name: str
    """Name of the store."""
    namespace: str
    """Where it lives."""
    tier: TierName
    """Tier in force."""
    suspend: bool
    """True: no pods, data kept."""
    storage: ResolvedStorage
    """Where the data lies."""
    embedding: ResolvedEmbedding
    """How texts become vectors."""
    llm: ResolvedLlm
    """The language models."""
    lexical: LexicalEngine
    """Engine of the lexical view."""
    compression: ResolvedCompression
    """Stage 1."""
    synthesis: ResolvedSynthesis
    """Stage 2."""
    retrieval: ResolvedRetrieval
    """Stage 3."""
    autoscaling: ResolvedAutoscaling | None
    """The autoscaler of the retrieval pods."""
    redis: ResolvedRedis | None
    """The cache."""
    backup: ResolvedBackup | None
    """Regular copies."""
    retention: ResolvedRetention
    """What is forgotten."""
    budget: ResolvedBudget | None
    """What the store may cost."""
    access: ResolvedAccess
    """Who may use the API."""
    pods: ResolvedPods
    """What the pods ask of the cluster."""

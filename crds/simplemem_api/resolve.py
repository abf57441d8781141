"""Spec and tier become a ResolvedStore: every default filled in, in one place."""

from __future__ import annotations

from decimal import Decimal

from simplemem_api.embedding_models import EMBEDDING_MODELS
from simplemem_api.memory_spec import BudgetAction, LlmMode, LlmSpec, When
from simplemem_api.memorystore import MemoryStore, MemoryStoreSpec
from simplemem_api.resolved import (
    ResolvedAccess,
    ResolvedAutoscaling,
    ResolvedBackup,
    ResolvedBudget,
    ResolvedCloud,
    ResolvedCompression,
    ResolvedEmbedding,
    ResolvedGpu,
    ResolvedLlm,
    ResolvedPods,
    ResolvedRedis,
    ResolvedRetention,
    ResolvedRetrieval,
    ResolvedS3,
    ResolvedStorage,
    ResolvedStore,
    ResolvedSynthesis,
    StorageKind,
)
from simplemem_api.storage_spec import DeletionPolicy, S3Storage, S3StorageClass, StorageSpec
from simplemem_api.tiers import TIERS, Tier
from simplemem_api.workload_spec import (
    AccessSpec,
    Device,
    EmbeddingSpec,
    GpuSpec,
    ManagedRedis,
    PodsSpec,
    SpotPolicy,
)

DEFAULT_REGION = "us-east-1"
"""Region where none is named; S3-compatible servers take any."""
DEFAULT_DENSITY_THRESHOLD = Decimal("0.05")
"""Semantic density below which a window is dropped: the highest that costs no evidence on LoCoMo dev, however turns
arrive. The least dense window that holds evidence scores 0.102 with single turns, 0.055 with five at a time and 0.534
with whole sessions."""
T4_NODES = {"cloud.google.com/gke-accelerator": "nvidia-tesla-t4"}
"""Labels of GKE's T4 nodes."""
GPU_TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
"""Taint that clouds put on GPU nodes."""


def resolve(store: MemoryStore) -> ResolvedStore:
    """The store with every default filled in; the same store gives the same result on a laptop and in a cluster."""
    spec, tier = store.spec, TIERS[store.spec.tier]
    llm = _llm(spec.llm or LlmSpec(), tier)
    place = f"{store.metadata.namespace}/{store.metadata.name}"
    return ResolvedStore(
        name=store.metadata.name,
        namespace=store.metadata.namespace,
        tier=spec.tier,
        suspend=bool(spec.suspend),
        storage=_storage(spec.storage or StorageSpec(), tier, place),
        embedding=_embedding(spec.embedding or EmbeddingSpec(), tier),
        llm=llm,
        lexical=(spec.lexical.engine if spec.lexical else None) or tier.lexical,
        compression=_compression(spec),
        synthesis=ResolvedSynthesis(mode=(spec.synthesis.mode if spec.synthesis else None) or llm.mode),
        retrieval=_retrieval(spec, tier),
        autoscaling=_autoscaling(spec, tier),
        redis=_redis(spec, tier),
        backup=_backup(spec, tier, place),
        retention=ResolvedRetention(
            max_age_days=spec.retention.max_age_days if spec.retention else None,
            unused_days=spec.retention.unused_days if spec.retention else None,
        ),
        budget=_budget(spec),
        access=_access(spec.access or AccessSpec(), store.metadata.namespace),
        pods=_pods(spec.pods or PodsSpec(), tier),
    )


def _s3(s3: S3Storage, default_prefix: str, default_class: S3StorageClass) -> ResolvedS3:
    return ResolvedS3(
        bucket=s3.bucket,
        prefix=(s3.prefix or "").strip("/") or default_prefix,
        region=s3.region or DEFAULT_REGION,
        endpoint=s3.endpoint,
        credentials_secret_name=s3.credentials_secret_name,
        storage_class=s3.storage_class or default_class,
    )


def _storage(storage: StorageSpec, tier: Tier, place: str) -> ResolvedStorage:
    cloud = storage.lance_db_cloud
    kind = StorageKind.PVC if cloud is None else StorageKind.LANCEDB_CLOUD
    if storage.s3 is not None:
        kind = StorageKind.S3
    is_volume = kind is StorageKind.PVC
    pvc = storage.pvc
    bucket = storage.s3 if cloud is None else cloud.journal
    return ResolvedStorage(
        kind=kind,
        volume_size=((pvc.size if pvc else None) or tier.volume_size) if is_volume else None,
        storage_class_name=pvc.storage_class_name if pvc else None,
        s3=_s3(bucket, place, S3StorageClass.STANDARD) if bucket else None,
        lance_db_cloud=None
        if cloud is None
        else ResolvedCloud(
            uri=cloud.uri,
            region=cloud.region or DEFAULT_REGION,
            api_key_secret_name=cloud.api_key_secret_name,
            plan=cloud.plan or tier.cloud_plan,
            endpoint=cloud.endpoint,
        ),
        deletion_policy=storage.deletion_policy or DeletionPolicy.RETAIN,
    )


def _embedding(embedding: EmbeddingSpec, tier: Tier) -> ResolvedEmbedding:
    model = embedding.model or tier.embedding_model
    known = EMBEDDING_MODELS.get(model)
    device = embedding.device or (Device.API if known and known.is_api else tier.device)
    return ResolvedEmbedding(
        model=model,
        dimension=known.dimension if known else embedding.dimension or 0,
        device=device,
        weights=embedding.weights,
        gpu=_gpu(embedding.gpu or GpuSpec(), tier) if device is Device.GPU else None,
    )


def _gpu(gpu: GpuSpec, tier: Tier) -> ResolvedGpu:
    return ResolvedGpu(
        min_replicas=gpu.min_replicas or 0,
        max_replicas=gpu.max_replicas or max(tier.gpu_replicas, gpu.min_replicas or 0),
        idle_seconds=gpu.idle_seconds or 300,
        resource_name=gpu.resource_name or "nvidia.com/gpu",
        node_selector=T4_NODES if gpu.node_selector is None else gpu.node_selector,
        tolerations=[GPU_TAINT] if gpu.tolerations is None else gpu.tolerations,
        spot=gpu.spot or SpotPolicy.PREFERRED,
    )


def _llm(llm: LlmSpec, tier: Tier) -> ResolvedLlm:
    is_reachable = bool(llm.secret_name or llm.api_base)
    return ResolvedLlm(
        mode=llm.mode or (LlmMode.MODEL if is_reachable else LlmMode.RULES),
        models=llm.models or list(tier.llm_models),
        routing=llm.routing or tier.routing,
        secret_name=llm.secret_name,
        api_base=llm.api_base,
        is_rules_by_choice=llm.mode is LlmMode.RULES,
    )


def _compression(spec: MemoryStoreSpec) -> ResolvedCompression:
    compression = spec.compression
    threshold = compression.density_threshold if compression else None
    overlap = compression.overlap_turns if compression else None
    return ResolvedCompression(
        window_turns=(compression.window_turns if compression else None) or 40,
        overlap_turns=2 if overlap is None else overlap,
        workers=(compression.workers if compression else None) or 3,
        density_threshold=DEFAULT_DENSITY_THRESHOLD if threshold is None else Decimal(threshold),
    )


def _retrieval(spec: MemoryStoreSpec, tier: Tier) -> ResolvedRetrieval:
    retrieval = spec.retrieval
    wanted = retrieval.replicas if retrieval else None
    return ResolvedRetrieval(
        replicas=(wanted or tier.replicas) if spec.has_shared_storage else 1,
        top_k=(retrieval.top_k if retrieval else None) or 10,
        max_tokens=(retrieval.max_tokens if retrieval else None) or 550,
        planning=(retrieval.planning if retrieval else None) or When.NEVER,
        reflection=(retrieval.reflection if retrieval else None) or When.NEVER,
    )


def _autoscaling(spec: MemoryStoreSpec, tier: Tier) -> ResolvedAutoscaling | None:
    if spec.autoscaling is not None:
        return ResolvedAutoscaling(
            min_replicas=spec.autoscaling.min_replicas,
            max_replicas=spec.autoscaling.max_replicas,
            target_cpu_utilization_percentage=spec.autoscaling.target_cpu_utilization_percentage or 70,
            metrics=spec.autoscaling.metrics or [],
        )
    # A number of replicas that the user names is a wish for that number, so the tier's own autoscaler stays away.
    is_fixed = spec.retrieval is not None and spec.retrieval.replicas is not None
    if tier.autoscaling is None or is_fixed:
        return None
    fewest, most = tier.autoscaling
    return ResolvedAutoscaling(min_replicas=fewest, max_replicas=most, target_cpu_utilization_percentage=70)


def _redis(spec: MemoryStoreSpec, tier: Tier) -> ResolvedRedis | None:
    if spec.cache is None:
        managed = ManagedRedis(replicas=tier.redis_nodes) if tier.redis_nodes else None
        url_secret_name = None
    else:
        managed, url_secret_name = spec.cache.redis.managed, spec.cache.redis.url_secret_name
    if managed is None and url_secret_name is None:
        return None
    return ResolvedRedis(
        managed_replicas=(managed.replicas or 3) if managed else 0,
        managed_memory=(managed.memory if managed else None) or "16Gi",
        url_secret_name=url_secret_name,
        password_secret_name=managed.password_secret_name if managed else None,
    )


def _backup(spec: MemoryStoreSpec, tier: Tier, place: str) -> ResolvedBackup | None:
    backup = spec.backup
    if backup is None:
        return None
    default_class = backup.storage_class or tier.backup_storage_class
    return ResolvedBackup(
        schedule=backup.schedule or "0 3 * * *",
        s3=_s3(backup.s3, f"backups/{place}", default_class),
        keep=backup.keep or 7,
    )


def _budget(spec: MemoryStoreSpec) -> ResolvedBudget | None:
    if spec.budget is None:
        return None
    return ResolvedBudget(
        monthly_usd=Decimal(spec.budget.monthly_usd),
        on_exceeded=spec.budget.on_exceeded or BudgetAction.WARN,
    )


def _access(access: AccessSpec, namespace: str) -> ResolvedAccess:
    return ResolvedAccess(
        token_secret_name=access.token_secret_name,
        allowed_namespaces=[namespace] if access.allowed_namespaces is None else access.allowed_namespaces,
    )


def _pods(pods: PodsSpec, tier: Tier) -> ResolvedPods:
    return ResolvedPods(
        resources=tier.resources if pods.resources is None else pods.resources,
        node_selector=pods.node_selector or {},
        tolerations=pods.tolerations or [],
        affinity=pods.affinity or {},
        priority_class_name=pods.priority_class_name,
        annotations=pods.annotations or {},
        local_size=pods.local_size,
    )

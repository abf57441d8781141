"""The five tiers as data (requirements: section 8)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from simplemem_api.memory_spec import LexicalEngine, Routing
from simplemem_api.memorystore import TierName
from simplemem_api.storage_spec import CloudPlan, S3StorageClass
from simplemem_api.workload_spec import Device

HAIKU = "anthropic/claude-haiku-4-5"
"""Claude 4.5 Haiku."""
SONNET = "anthropic/claude-sonnet-4-5"
"""Claude 4.5 Sonnet."""
GPT_MINI = "openai/gpt-4.1-mini"
"""GPT-4.1-mini."""


@dataclass(frozen=True, slots=True)
class PriceItem:
    """A fixed item of a tier's monthly cost."""

    name: str
    """What is paid for."""
    monthly_usd: Decimal
    """US dollars a month, for each unit."""
    basis: str
    """How the figure comes about."""
    per_replica: bool = False
    """Whether it is paid for each retrieval pod."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much a store is used in a month."""

    turns: int
    """Turns remembered, the table's fragments."""
    queries: int
    """Questions answered."""

    def words(self) -> str:
        """As a bound, in words."""
        return f"up to {self.turns:,} turns and {self.queries:,} queries a month"


MONTH_DAYS = 30
"""Days of the month that loads are told for."""


def monthly(load: Load, days: int) -> Load:
    """What the load of some days comes to in a month."""
    return Load(round(load.turns * MONTH_DAYS / days), round(load.queries * MONTH_DAYS / days))


def _resources(cpu: str, memory: str, cpu_limit: str, memory_limit: str) -> dict[str, Any]:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu_limit, "memory": memory_limit}}


@dataclass(frozen=True, slots=True)
class Tier:
    """What a tier gives a store that says nothing else."""

    name: TierName
    """Name of the tier."""
    embedding_model: str
    """Embedding model."""
    device: Device
    """Where texts are embedded."""
    lexical: LexicalEngine
    """Engine of the lexical view."""
    llm_models: tuple[str, ...]
    """Language models."""
    routing: Routing = Routing.IN_ORDER
    """Which language model is tried first."""
    replicas: int = 1
    """Retrieval pods."""
    autoscaling: tuple[int, int] | None = None
    """Fewest and most retrieval pods of the tier's autoscaler."""
    gpu_replicas: int = 1
    """Most embedding pods, where the device is GPU."""
    volume_size: str = "100Gi"
    """Size of the volume, where the data lies on one."""
    storage_gb: int = 50
    """Gigabytes planned in object storage, where the data or its copies lie there."""
    cloud_plan: CloudPlan = CloudPlan.GROWTH
    """Plan of LanceDB Cloud, where the data lies there."""
    redis_nodes: int = 0
    """Nodes of the managed Redis Cluster; 0: none."""
    backup_storage_class: S3StorageClass = S3StorageClass.STANDARD_IA
    """Object-storage class of the copies."""
    resources: dict[str, Any] = field(default_factory=lambda: _resources("500m", "2Gi", "2", "8Gi"))
    """Requests and limits of the service's containers (requirements: section 7)."""
    items: tuple[PriceItem, ...] = ()
    """Fixed items of the monthly cost."""
    llm_range_usd: tuple[Decimal, Decimal] | None = None
    """Least and most that the language models cost, where routing makes it a range."""
    has_planned_backup: bool = False
    """Whether the tier's total contains copies on S3."""
    load: Load | None = None
    """The most that the tier is for; None: any load."""


TIERS: dict[TierName, Tier] = {
    tier.name: tier
    for tier in (
        Tier(
            name=TierName.MINIMAL,
            load=Load(1_000, 100),
            embedding_model="all-MiniLM-L6-v2",
            device=Device.CPU,
            lexical=LexicalEngine.RANK_BM25,
            llm_models=(GPT_MINI,),
            volume_size="50Gi",
            resources=_resources("250m", "1Gi", "2", "4Gi"),
            items=(PriceItem("server", Decimal(30), "one machine: 2 vCPU, 4 GB, 50 GB disk"),),
        ),
        Tier(
            name=TierName.COST_EFFECTIVE,
            load=Load(10_000, 1_000),
            embedding_model="all-mpnet-base-v2",
            device=Device.CPU,
            lexical=LexicalEngine.TANTIVY,
            llm_models=(HAIKU,),
            has_planned_backup=True,
            items=(PriceItem("server", Decimal(60), "one node: 4 vCPU, 8 GB, 100 GB disk"),),
        ),
        Tier(
            name=TierName.GPU_ACCELERATED,
            load=Load(100_000, 10_000),
            embedding_model="bge-large-en-v1.5",
            device=Device.GPU,
            lexical=LexicalEngine.TANTIVY,
            llm_models=(HAIKU,),
            replicas=3,
            autoscaling=(3, 6),
            storage_gb=100,
            items=(PriceItem("nodes", Decimal(30), "t3.medium", per_replica=True),),
        ),
        Tier(
            name=TierName.ENTERPRISE,
            load=Load(1_000_000, 100_000),
            embedding_model="bge-large-en-v1.5",
            device=Device.GPU,
            lexical=LexicalEngine.TANTIVY,
            llm_models=(SONNET,),
            replicas=6,
            autoscaling=(6, 20),
            gpu_replicas=3,
            storage_gb=1000,
            cloud_plan=CloudPlan.ENTERPRISE,
            redis_nodes=3,
            items=(
                PriceItem("nodes", Decimal(73), "m5.large", per_replica=True),
                PriceItem("load balancer and traffic", Decimal(100), "one load balancer and its traffic"),
            ),
        ),
        Tier(
            name=TierName.HYBRID,
            embedding_model="all-mpnet-base-v2",
            device=Device.GPU,
            lexical=LexicalEngine.TANTIVY,
            llm_models=(GPT_MINI, HAIKU),
            routing=Routing.CHEAPEST,
            backup_storage_class=S3StorageClass.GLACIER,
            llm_range_usd=(Decimal(2), Decimal(5)),
            items=(
                PriceItem("electricity", Decimal(50), "own server with its own GPU"),
                PriceItem("Glacier", Decimal(4), "copies in cold storage"),
            ),
        ),
    )
}
"""By name."""

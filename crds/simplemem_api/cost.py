"""What a store costs a month, item by item, each with its basis (requirements: section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from simplemem_api.memory_spec import Routing
from simplemem_api.prices import (
    CATALOGUE,
    CENT,
    CLOUD_PLANS,
    EMBEDDING_API_PRICES,
    REDIS_NODE,
    REFERENCE_EMBEDDED_MILLIONS,
    S3_STANDARD_GB,
    T4_NODE,
    reference_month,
)
from simplemem_api.resolved import ResolvedStore, StorageKind
from simplemem_api.tiers import TIERS, Tier
from simplemem_api.workload_spec import Device


@dataclass(frozen=True, slots=True)
class CostItem:
    """One line of the monthly cost."""

    name: str
    """What is paid for."""
    monthly_usd: Decimal
    """US dollars a month, two decimals."""
    basis: str
    """How the figure comes about."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a store costs a month."""

    items: tuple[CostItem, ...]
    """Its parts."""
    catalogue: str = CATALOGUE
    """Which price catalogue was used."""

    @property
    def monthly_usd(self) -> Decimal:
        """Sum of the items, US dollars, two decimals."""
        return sum((item.monthly_usd for item in self.items), Decimal(0)).quantize(CENT)


def monthly_cost(store: ResolvedStore) -> Cost:
    """Planned monthly cost at the reference load (10K fragments, 1K queries); suspended, only what keeps the data."""
    tier = TIERS[store.tier]
    items = tuple(_storage_items(store, tier))
    if not store.suspend:
        items = (
            *_fixed_items(store, tier),
            _llm_item(store, tier),
            *_embedding_items(store),
            *items,
            *_redis_items(store),
        )
    return Cost(items)


def _item(name: str, amount: Decimal, basis: str) -> CostItem:
    return CostItem(name, amount.quantize(CENT, ROUND_HALF_UP), basis)


def _fixed_items(store: ResolvedStore, tier: Tier) -> Iterator[CostItem]:
    replicas = store.autoscaling.min_replicas if store.autoscaling else store.retrieval.replicas
    for item in tier.items:
        if item.per_replica:
            yield _item(item.name, replicas * item.monthly_usd, f"{replicas} x {item.basis} at ${item.monthly_usd}")
        else:
            yield _item(item.name, item.monthly_usd, item.basis)


def _llm_item(store: ResolvedStore, tier: Tier) -> CostItem:
    if store.llm.is_rules_by_choice:
        return _item("LLM", Decimal(0), "llm.mode Rules: no language model is called")
    if tier.llm_range_usd is not None and store.llm.models == list(tier.llm_models):
        least, most = tier.llm_range_usd
        return _item(
            "LLM", (least + most) / 2, f"${least} to ${most}, the middle: cheapest of {', '.join(store.llm.models)}"
        )
    priced = [(cost, model) for model in store.llm.models if (cost := reference_month(model)) is not None]
    if not priced:
        return _item("LLM", Decimal(0), f"{store.llm.models[0]}: not in the price catalogue")
    cost, model = min(priced) if store.llm.routing is Routing.CHEAPEST else priced[0]
    return _item("LLM", cost, f"{model}: reference month of 10.5M input and 2.1M output tokens")


def _embedding_items(store: ResolvedStore) -> Iterator[CostItem]:
    embedding = store.embedding
    if embedding.device is Device.API:
        price = EMBEDDING_API_PRICES.get(embedding.model.rsplit("/", 1)[-1])
        basis = (
            f"{embedding.model}: 2.6M tokens" if price is not None else f"{embedding.model}: not in the price catalogue"
        )
        yield _item("embedding API", REFERENCE_EMBEDDED_MILLIONS * (price or Decimal(0)), basis)
    # Hybrid embeds on its owner's GPU, whose power is in the item electricity.
    elif embedding.gpu is not None and store.tier != "Hybrid":
        count = embedding.gpu.max_replicas
        yield _item("GPU", count * T4_NODE, f"{count} x T4 node at ${T4_NODE}, always on")


def _storage_items(store: ResolvedStore, tier: Tier) -> Iterator[CostItem]:
    cloud = store.storage.lance_db_cloud
    if cloud is not None:
        yield _item("LanceDB Cloud", CLOUD_PLANS[cloud.plan], f"plan {cloud.plan}")
    elif store.storage.kind is StorageKind.S3:
        yield _item("S3 storage", tier.storage_gb * S3_STANDARD_GB, f"{tier.storage_gb} GB at ${S3_STANDARD_GB}")
    if tier.has_planned_backup:
        named = "" if store.backup else "; planned, in use once backup.s3 is named"
        yield _item("S3 backup", tier.storage_gb * S3_STANDARD_GB, f"{tier.storage_gb} GB at ${S3_STANDARD_GB}{named}")


def _redis_items(store: ResolvedStore) -> Iterator[CostItem]:
    if store.redis is not None and store.redis.managed_replicas:
        count = store.redis.managed_replicas
        yield _item("Redis", count * REDIS_NODE, f"{count} nodes of 16 GB at ${REDIS_NODE}")

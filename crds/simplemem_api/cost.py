"""What a store costs a month, item by item, each with its basis (requirements: section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from simplemem_api.memory_spec import Routing
from simplemem_api.prices import BUILT_IN, CATALOGUE, CENT, REFERENCE_EMBEDDED_MILLIONS, Prices, reference_month
from simplemem_api.resolved import ResolvedStore, StorageKind
from simplemem_api.tiers import TIERS, Tier
from simplemem_api.workload_spec import Device


class Meter(StrEnum):
    """What an item is measured by while the store runs."""

    STORE = "store"
    """Hours that the store exists, suspended or not."""
    UP = "up"
    """Hours that it is not suspended."""
    RETRIEVAL = "retrieval"
    """Hours of retrieval pods."""
    GPU = "gpu"
    """Hours of GPU pods."""
    REDIS = "redis"
    """Hours of nodes of the managed cache."""
    MODELS = "models"
    """What language and embedding models were paid."""
    BYTES = "bytes"
    """Bytes stored."""


@dataclass(frozen=True, slots=True)
class CostItem:
    """One line of the monthly cost."""

    name: str
    """What is paid for."""
    monthly_usd: Decimal
    """US dollars a month, two decimals."""
    basis: str
    """How the figure comes about."""
    meter: Meter = Meter.UP
    """What it is measured by."""
    unit_usd: Decimal = Decimal(0)
    """US dollars for one unit of the meter in a whole month; of bytes, for a gigabyte."""


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


def monthly_cost(store: ResolvedStore, prices: Prices = BUILT_IN) -> Cost:
    """Planned monthly cost at the reference load (10K fragments, 1K queries); suspended, only what keeps the data."""
    tier = TIERS[store.tier]
    items = tuple(_storage_items(store, tier, prices))
    if not store.suspend:
        items = (
            *_fixed_items(store, tier, prices),
            _llm_item(store, tier, prices),
            *_embedding_items(store, prices),
            *items,
            *_redis_items(store, prices),
        )
    return Cost(items, prices.catalogue)


def _item(name: str, amount: Decimal, basis: str, meter: Meter, unit_usd: Decimal | None = None) -> CostItem:
    unit = amount if unit_usd is None else unit_usd
    return CostItem(name, amount.quantize(CENT, ROUND_HALF_UP), basis, meter, unit)


def _fixed_items(store: ResolvedStore, tier: Tier, prices: Prices) -> Iterator[CostItem]:
    replicas = store.autoscaling.min_replicas if store.autoscaling else store.retrieval.replicas
    for item in tier.items:
        usd = prices.tier_items.get(tier.name, {}).get(item.name, item.monthly_usd)
        if item.per_replica:
            basis = f"{replicas} x {item.basis} at ${usd}"
            yield _item(item.name, replicas * usd, basis, Meter.RETRIEVAL, usd)
        else:
            yield _item(item.name, usd, item.basis, Meter.UP)


def _llm_item(store: ResolvedStore, tier: Tier, prices: Prices) -> CostItem:
    if store.llm.is_rules_by_choice:
        return _item("LLM", Decimal(0), "llm.mode Rules: no language model is called", Meter.MODELS)
    if tier.llm_range_usd is not None and store.llm.models == list(tier.llm_models):
        least, most = tier.llm_range_usd
        basis = f"${least} to ${most}, the middle: cheapest of {', '.join(store.llm.models)}"
        return _item("LLM", (least + most) / 2, basis, Meter.MODELS)
    priced = [(cost, model) for model in store.llm.models if (cost := reference_month(model, prices)) is not None]
    if not priced:
        return _item("LLM", Decimal(0), f"{store.llm.models[0]}: not in the price catalogue", Meter.MODELS)
    cost, model = min(priced) if store.llm.routing is Routing.CHEAPEST else priced[0]
    return _item("LLM", cost, f"{model}: reference month of 10.5M input and 2.1M output tokens", Meter.MODELS)


def _embedding_items(store: ResolvedStore, prices: Prices) -> Iterator[CostItem]:
    embedding = store.embedding
    if embedding.device is Device.API:
        price = prices.embedding_models.get(embedding.model.rsplit("/", 1)[-1])
        basis = (
            f"{embedding.model}: 2.6M tokens" if price is not None else f"{embedding.model}: not in the price catalogue"
        )
        yield _item("embedding API", REFERENCE_EMBEDDED_MILLIONS * (price or Decimal(0)), basis, Meter.MODELS)
    # Hybrid embeds on its owner's GPU, whose power is in the item electricity.
    elif embedding.gpu is not None and store.tier != "Hybrid":
        count = embedding.gpu.max_replicas
        basis = f"{count} x T4 node at ${prices.gpu_node}, always on"
        yield _item("GPU", count * prices.gpu_node, basis, Meter.GPU, prices.gpu_node)


def _storage_items(store: ResolvedStore, tier: Tier, prices: Prices) -> Iterator[CostItem]:
    cloud, per_gb = store.storage.lance_db_cloud, prices.s3_standard_gb
    basis = f"{tier.storage_gb} GB at ${per_gb}"
    if cloud is not None:
        yield _item("LanceDB Cloud", prices.cloud_plans[cloud.plan], f"plan {cloud.plan}", Meter.STORE)
    elif store.storage.kind is StorageKind.S3:
        yield _item("S3 storage", tier.storage_gb * per_gb, basis, Meter.BYTES, per_gb)
    if tier.has_planned_backup:
        named = "" if store.backup else "; planned, in use once backup.s3 is named"
        yield _item("S3 backup", tier.storage_gb * per_gb, f"{basis}{named}", Meter.STORE)


def _redis_items(store: ResolvedStore, prices: Prices) -> Iterator[CostItem]:
    if store.redis is not None and store.redis.managed_replicas:
        count = store.redis.managed_replicas
        usd = prices.redis_node
        yield _item("Redis", count * usd, f"{count} nodes of 16 GB at ${usd}", Meter.REDIS, usd)

"""What stores cost a month at a load of one's own, and which tier is for it (pure)."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from simplemem_api.cost import Cost, CostItem, Meter, monthly_cost
from simplemem_api.load import parse_store
from simplemem_api.memorystore import TierName
from simplemem_api.prices import BUILT_IN, CENT, Prices
from simplemem_api.resolve import resolve
from simplemem_api.resolved import ResolvedStore
from simplemem_api.tiers import TIERS, Load

REFERENCE = Load(10_000, 1_000)
"""Load of the reference month (requirements: section 2)."""
WEIGHTS = (2, 1)
"""What a turn costs beside a query: 1,000 tokens read and 200 written, beside 500 and 100 (requirements: section 2)."""


def cost_at(store: ResolvedStore, load: Load, prices: Prices = BUILT_IN) -> Cost:
    """The planned monthly cost where the models are paid for a load; what runs all month costs what it costs."""
    cost = monthly_cost(store, prices)
    share = Decimal(_weight(load)) / _weight(REFERENCE)
    words = f"{load.turns:,} turns and {load.queries:,} queries: {share:.2f} of "
    return replace(cost, items=tuple(_scaled(item, share, words) for item in cost.items))


def costs_of_tiers(load: Load, prices: Prices = BUILT_IN) -> dict[TierName, Cost]:
    """What each tier costs at a load with its own defaults, on a volume, or in S3 where it has several pods."""
    return {tier: cost_at(_plain(tier), load, prices) for tier in TIERS}


def tier_for(load: Load) -> TierName:
    """The smallest tier that is for a load; the largest where none is."""
    ladder = [tier for tier in TIERS.values() if tier.load is not None]
    found = (tier.name for tier in ladder if tier.load is not None and holds(tier.load, load))
    return next(found, ladder[-1].name)


def holds(bounds: Load, load: Load) -> bool:
    """Whether a load is within bounds."""
    return load.turns <= bounds.turns and load.queries <= bounds.queries


def _weight(load: Load) -> int:
    return WEIGHTS[0] * load.turns + WEIGHTS[1] * load.queries


def _scaled(item: CostItem, share: Decimal, words: str) -> CostItem:
    if item.meter is not Meter.MODELS or not item.monthly_usd:
        return item
    usd = (item.monthly_usd * share).quantize(CENT, ROUND_HALF_UP)
    return replace(item, monthly_usd=usd, basis=words + item.basis)


def _plain(tier: TierName) -> ResolvedStore:
    """A store that says nothing but its tier; several pods need a bucket."""
    head = {"apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore", "metadata": {"name": "example"}}
    spec: dict[str, Any] = {"tier": str(tier)}
    if TIERS[tier].replicas > 1:
        spec["storage"] = {"s3": {"bucket": "example"}}
    return resolve(parse_store({**head, "spec": spec}))

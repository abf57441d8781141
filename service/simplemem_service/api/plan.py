"""What a store is planned to cost, and how its use compares with what its tier is for (pure).

Prices are the built-in ones, as `simplemem cost` prints them; an operator that was given others shows theirs in the
status of the MemoryStore. Whether the tier fits is judged by the operator's rule from the operator's figures, and left
open where that depends on what the operator advised before, so that it never contradicts the condition TierFits.
"""

from __future__ import annotations

from simplemem_api.cost import monthly_cost
from simplemem_api.resolved import ResolvedStore
from simplemem_api.tier_advice import judge_alone
from simplemem_api.tiers import TIERS, Load, monthly
from simplemem_service.api.status_schemas import CostItemOut, CostOut, UseOut
from simplemem_service.usage import Week, rounded


def cost_of(store: ResolvedStore) -> CostOut:
    """The planned monthly cost at the reference load."""
    cost = monthly_cost(store)
    items = [CostItemOut(name=item.name, monthly_usd=float(item.monthly_usd), basis=item.basis) for item in cost.items]
    return CostOut(monthly_usd=float(cost.monthly_usd), items=items, catalogue=cost.catalogue)


def use_of(store: ResolvedStore, week: Week) -> UseOut:
    """The use of the last whole days as a month, beside the most that the tier is for."""
    most = TIERS[store.tier].load
    load = monthly(Load(week.use.turns, week.use.queries), week.days) if week.days else None
    told = monthly(Load(rounded(week.use.turns), rounded(week.use.queries)), max(1, week.days))
    advice = judge_alone(store, week.days, told)
    return UseOut(
        days=week.days,
        turns_per_month=load.turns if load else None,
        queries_per_month=load.queries if load else None,
        tier_turns=most.turns if most else None,
        tier_queries=most.queries if most else None,
        fits=advice.fits,
        recommended_tier=advice.tier,
        advice=advice.words,
    )

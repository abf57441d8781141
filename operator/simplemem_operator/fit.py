"""Which tier the load of a store asks for, by the tier table and with margins, so that advice does not swing. Pure.

The load is what the pods counted on the whole days of the last week, as a month of 30 days. A tier is too small from a
fifth above its bounds on, and too large once a smaller one would hold with a fifth to spare; advice once given stands
until the load is back on the other side of the bound itself. What was advised before is read from the status, so a
restart changes nothing. Hybrid is for any load.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simplemem_api.conditions import Reason
from simplemem_api.memorystore import TierName
from simplemem_api.resolved import ResolvedStore, StorageKind
from simplemem_api.tiers import TIERS, Load, monthly
from simplemem_operator.models.observed import PodHealth
from simplemem_operator.models.verdict import Verdict

LADDER = tuple(tier.name for tier in TIERS.values() if tier.load is not None)
"""The tiers that differ in load, smallest first."""
MARGIN = 0.2
"""Share by which the load must be beyond a bound before another tier is advised."""
DAYS_LEAST = 3
"""Whole days that must have been counted; two are a week-end."""
DRIFT_SHARE = 0.1
"""Share by which the load may differ from the status before it is written again."""
SHARED = frozenset({TierName.GPU_ACCELERATED, TierName.ENTERPRISE})
"""Tiers that need storage which several pods can read."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How much a store is used."""

    days: int
    """Whole days that were counted, up to 7."""
    load: Load
    """What they come to in a month."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What the load says of the tier."""

    verdict: Verdict
    """The condition TierFits."""
    tier: str | None
    """The tier that fits; None: not known."""
    reason: str
    """Why, in words."""


def read_rates(pods: Iterable[PodHealth]) -> Rates | None:
    """What the pods counted; None where none of them tells. All tell the sum of all, some a little later."""
    found = [pod.figures for pod in pods if "week_days" in pod.figures]
    if not found:
        return None
    best = max(found, key=lambda figures: (figures["week_days"], figures.get("week_turns", 0)))
    days = best["week_days"]
    return Rates(days, monthly(Load(best.get("week_turns", 0), best.get("week_queries", 0)), max(1, days)))


def advise(present: TierName, load: Load, before: str | None) -> TierName:
    """The tier for a load.

    Parameters
    ----------
    present
        The tier of the store.
    load
        Its load in a month.
    before
        What was advised before; None: nothing.
    """
    if present not in LADDER:
        return present
    if before in LADDER and before != present:
        advised = TierName(before)
        if _still_holds(present, advised, load):
            return advised
    if _share(present, load) > 1 + MARGIN:
        return _smallest(load, 1.0)
    smaller = _smallest(load, 1 - MARGIN)
    return min(present, smaller, key=LADDER.index)


def judge_fit(store: ResolvedStore, rates: Rates | None, previous: Mapping[str, Any]) -> Fit:
    """Whether the store's tier fits its load."""
    if rates is None or rates.days < DAYS_LEAST:
        words = f"judged once {DAYS_LEAST} whole days have been counted"
        return Fit((None, Reason.LOAD_UNKNOWN, words), None, words)
    before = previous.get("recommendation", {}).get("tier")
    tier = advise(store.tier, rates.load, before)
    bounds = TIERS[store.tier].load
    if bounds is None:
        words = f"{store.tier} is for any load"
    elif tier == store.tier:
        words = f"the load is within what {store.tier} is for: {bounds.words()}"
    elif LADDER.index(tier) > LADDER.index(store.tier):
        words = f"the load is beyond what {store.tier} is for ({bounds.words()}); take {tier}{_needs(store, tier)}"
        return Fit((False, Reason.TIER_TOO_SMALL, words), tier, words)
    else:
        words = f"the load is far below what {store.tier} is for; {tier} would do: {_bounds(tier).words()}"
        return Fit((False, Reason.TIER_TOO_LARGE, words), tier, words)
    return Fit((True, Reason.LOAD_FITS, words), tier, words)


def load_status(rates: Rates | None, fit: Fit, previous: Mapping[str, Any]) -> dict[str, Any]:
    """The parts `load` and `recommendation` of the status; between two pods what stood there."""
    parts = {key: previous[key] for key in ("load", "recommendation") if key in previous}
    if rates is not None and rates.days:
        found = {
            "days": rates.days,
            "turnsPerMonth": rates.load.turns,
            "queriesPerMonth": rates.load.queries,
        }
        if not _is_steady(found, parts.get("load", {})):
            parts["load"] = found
    if fit.tier is not None:
        parts["recommendation"] = {"tier": str(fit.tier), "reason": fit.reason}
    return parts


def _still_holds(present: TierName, advised: TierName, load: Load) -> bool:
    """Whether earlier advice stands: the load has not come back over the bound."""
    rung = LADDER.index(advised)
    if rung > LADDER.index(present):
        below = LADDER[rung - 1]
        return _share(present, load) > 1 and _share(below, load) > 1 - MARGIN and _share(advised, load) <= 1 + MARGIN
    return _share(advised, load) <= 1 and (rung == 0 or _share(LADDER[rung - 1], load) > 1 - MARGIN)


def _smallest(load: Load, most: float) -> TierName:
    """The smallest tier of whose bounds the load takes at most such a share; the largest where none is enough."""
    return next((tier for tier in LADDER if _share(tier, load) <= most), LADDER[-1])


def _share(tier: TierName, load: Load) -> float:
    """How much of a tier's bounds a load takes; the last tier holds whatever is beyond it."""
    if tier == LADDER[-1]:
        return 0.0
    bounds = _bounds(tier)
    return max(load.turns / bounds.turns, load.queries / bounds.queries)


def _bounds(tier: TierName) -> Load:
    bounds = TIERS[tier].load
    return bounds or Load(0, 0)


def _needs(store: ResolvedStore, tier: TierName) -> str:
    if tier in SHARED and store.storage.kind is StorageKind.PVC:
        return ", which needs storage.s3 or storage.lanceDBCloud"
    return ""


def _is_steady(found: Mapping[str, int], before: Mapping[str, int]) -> bool:
    names = ("turnsPerMonth", "queriesPerMonth")
    is_near = all(name in before and abs(found[name] - before[name]) <= DRIFT_SHARE * before[name] for name in names)
    return is_near and (found["days"] == before["days"] or before["days"] >= DAYS_LEAST)

"""Which tier a load asks for, by the tier table and with margins, so that advice does not swing. Pure.

The load is what was counted on whole days, as a month of 30 days. A tier is too small from a fifth above its bounds on,
and too large once a smaller one would hold with a fifth to spare; advice once given stands until the load is back on
the other side of the bound itself. Hybrid is for any load.

The operator knows what it advised before and judges with it: the condition TierFits. The service does not, and says
only what holds whatever was advised before; between a bound and its margin it leaves the verdict to the condition.
"""

from __future__ import annotations

from dataclasses import dataclass

from simplemem_api.conditions import Reason
from simplemem_api.memorystore import TierName
from simplemem_api.resolved import ResolvedStore, StorageKind
from simplemem_api.tiers import TIERS, Load

LADDER = tuple(tier.name for tier in TIERS.values() if tier.load is not None)
"""The tiers that differ in load, smallest first."""
MARGIN = 0.2
"""Share by which the load must be beyond a bound before another tier is advised."""
DAYS_LEAST = 3
"""Whole days that must have been counted; two are a week-end."""
SHARED = frozenset({TierName.GPU_ACCELERATED, TierName.ENTERPRISE})
"""Tiers that need storage which several pods can read."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a load says of a tier."""

    fits: bool | None
    """Whether the tier fits; None: not known."""
    tier: TierName | None
    """The tier that fits; None: not known."""
    reason: Reason
    """The reason of the condition TierFits."""
    words: str
    """Why, in words."""


def judge(store: ResolvedStore, days: int, load: Load, before: str | None) -> Advice:
    """Whether a store's tier fits its load.

    Parameters
    ----------
    store
        The store.
    days
        Whole days that were counted.
    load
        What they come to in a month.
    before
        The tier that was advised before; None: none.
    """
    if days < DAYS_LEAST:
        return Advice(None, None, Reason.LOAD_UNKNOWN, f"judged once {DAYS_LEAST} whole days have been counted")
    tier = advise(store.tier, load, before)
    bounds = TIERS[store.tier].load
    if bounds is None:
        return Advice(True, tier, Reason.LOAD_FITS, f"{store.tier} is for any load")
    if tier == store.tier:
        words = f"the load is within what {store.tier} is for: {bounds.words()}"
        return Advice(True, tier, Reason.LOAD_FITS, words)
    if LADDER.index(tier) > LADDER.index(store.tier):
        words = f"the load is beyond what {store.tier} is for ({bounds.words()}); take {tier}{_needs(store, tier)}"
        return Advice(False, tier, Reason.TIER_TOO_SMALL, words)
    words = f"the load is far below what {store.tier} is for; {tier} would do: {_bounds(tier).words()}"
    return Advice(False, tier, Reason.TIER_TOO_LARGE, words)


def judge_alone(store: ResolvedStore, days: int, load: Load) -> Advice:
    """Whether a store's tier fits its load, by one who does not know what was advised before.

    Not known where that decides. Parameters as for `judge`.
    """
    found = judge(store, days, load, None)
    possible = {advise(store.tier, load, before) for before in (None, *LADDER)}
    if found.tier is None or len(possible) == 1:
        return found
    either = " or ".join(tier for tier in LADDER if tier in possible)
    words = f"the load is near the bound of a tier, and {either} will do; the condition TierFits keeps what it said"
    return Advice(None, None, Reason.LOAD_UNKNOWN, words)


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

"""Which tier the load of a store asks for, as the status tells it. Pure.

The load is what the pods counted on the whole days of the last week. The rule is `simplemem_api.tier_advice`; what was
advised before is read from the status, so a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simplemem_api.resolved import ResolvedStore
from simplemem_api.tier_advice import DAYS_LEAST, judge
from simplemem_api.tiers import Load, monthly
from simplemem_operator.models.observed import PodHealth
from simplemem_operator.models.verdict import Verdict

DRIFT_SHARE = 0.1
"""Share by which the load may differ from the status before it is written again."""


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


def judge_fit(store: ResolvedStore, rates: Rates | None, previous: Mapping[str, Any]) -> Fit:
    """Whether the store's tier fits its load."""
    known = rates or Rates(0, Load(0, 0))
    advice = judge(store, known.days, known.load, previous.get("recommendation", {}).get("tier"))
    return Fit((advice.fits, advice.reason, advice.words), advice.tier, advice.words)


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


def _is_steady(found: Mapping[str, int], before: Mapping[str, int]) -> bool:
    names = ("turnsPerMonth", "queriesPerMonth")
    is_near = all(name in before and abs(found[name] - before[name]) <= DRIFT_SHARE * before[name] for name in names)
    return is_near and (found["days"] == before["days"] or before["days"] >= DAYS_LEAST)

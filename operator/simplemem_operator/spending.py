"""What a store has cost this month, and whether that is within its budget. Pure.

Hours are counted in the status itself: for each meter the hours up to a time, and how many run since. So the present
value follows from what was written last, a restarted operator goes on where the former one ended, and nothing is
written while the same number runs. What the month costs is written anew when it has moved by a noticeable amount.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from simplemem_api.conditions import Reason
from simplemem_api.cost import Cost, Meter
from simplemem_api.measured_cost import Readings, measured_cost
from simplemem_api.memory_spec import BudgetAction, LlmMode
from simplemem_api.prices import CENT, Prices
from simplemem_api.resolved import ResolvedBudget, ResolvedStore
from simplemem_api.workload_spec import Device
from simplemem_operator.builders.deployment import RETRIEVAL
from simplemem_operator.builders.embedding import EMBEDDING
from simplemem_operator.builders.redis import REDIS
from simplemem_operator.models.desired import MachineCost
from simplemem_operator.models.observed import Observed
from simplemem_operator.models.verdict import Verdict
from simplemem_operator.times import write_time

DRIFT_SHARE = Decimal("0.05")
"""Share by which the cost of the month may grow before it is written again."""
PLANNED_SHARE = Decimal("0.02")
"""The same as a share of a planned month: half a day of a store that runs as planned."""
MODELS = "models"
"""Name of the item of paid models."""
EFFECTS: Mapping[BudgetAction, str] = {
    BudgetAction.WARN: "onExceeded is Warn: models go on",
    BudgetAction.CHEAPER_MODEL: "onExceeded is CheaperModel: only the cheapest model is asked",
    BudgetAction.REJECT_WRITES: "onExceeded is RejectWrites: no language model is asked, turns are compressed by rules",
}
"""What the pods do beyond the budget, in words."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Hours as they were last written."""

    month: str
    """Which month, such as 2026-03."""
    as_of: datetime
    """Up to when."""
    hours: Mapping[Meter, Decimal]
    """Hours of each meter."""
    running: Mapping[Meter, int]
    """How many run since."""
    models_usd: Decimal = Decimal(0)
    """What models were paid."""
    usd: Decimal = Decimal(0)
    """All together."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What is known of a store's month."""

    counted: Counted
    """Hours up to now."""
    cost: Cost
    """The month so far."""
    before: Counted | None = field(default=None)
    """What stands in the status."""


def read_spending(
    store: ResolvedStore, observed: Observed, previous: Mapping[str, Any], now: datetime, prices: Prices
) -> Spending:
    """The month so far, from what was counted before and what runs now."""
    before = _read_counted(previous)
    running = _running(store, observed)
    counted = advance(before, running, now)
    paid = read_models_usd(observed, now)
    if paid is None:
        paid = before.models_usd if before is not None and before.month == counted.month else Decimal(0)
    size = max((pod.figures.get("storage_bytes", 0) for pod in observed.pods), default=0)
    readings = Readings(counted.hours, paid, size or int(previous.get("storageBytes", 0)))
    cost = measured_cost(store, readings, prices)
    full = Counted(counted.month, now, counted.hours, running, paid, cost.monthly_usd)
    return Spending(full, cost, before)


def advance(before: Counted | None, running: Mapping[Meter, int], now: datetime) -> Counted:
    """Hours up to now; those of a month that is over are forgotten."""
    now = now.astimezone(UTC)
    month = now.strftime("%Y-%m")
    if before is None:
        return Counted(month, now, dict.fromkeys(running, Decimal(0)), running)
    begin, hours = before.as_of, before.hours
    if before.month != month:
        begin, hours = max(begin, now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)), {}
    passed = Decimal(max(0.0, (now - begin).total_seconds())) / 3600
    grown = {meter: hours.get(meter, Decimal(0)) + before.running.get(meter, 0) * passed for meter in running}
    return Counted(month, now, grown, running)


def measured_status(
    store: ResolvedStore,
    observed: Observed,
    previous: Mapping[str, Any],
    now: datetime,
    prices: Prices,
    *,
    planned: Cost,
) -> dict[str, Any]:
    """The part `cost` of the status that was measured, as `measured`; empty before anything runs.

    Parameters
    ----------
    store, observed
        The store and what exists of it.
    previous
        Its status so far, in which hours are counted.
    now
        The present time, aware.
    prices
        What things cost.
    planned
        What the store is planned to cost a month.
    """
    if not observed.children:
        # A pass that could not look around knows nothing of what runs.
        stood = (previous.get("cost") or {}).get("measured")
        return {"measured": stood} if stood else {}
    spending = read_spending(store, observed, previous, now, prices)
    return {"measured": spending_status(spending, planned, previous)}


def spending_status(spending: Spending, planned: Cost, previous: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a month; what stood there unless there is something to tell."""
    now, before = spending.counted, spending.before
    if before is not None and before.month == now.month and before.running == now.running:
        least = max(DRIFT_SHARE * before.usd, PLANNED_SHARE * planned.monthly_usd, CENT)
        if abs(now.usd - before.usd) < least:
            kept: dict[str, Any] = previous["cost"]["measured"]
            return kept
    return {
        "month": now.month,
        "asOf": write_time(now.as_of),
        "usd": str(now.usd),
        "items": [
            {"name": item.name, "usd": str(item.monthly_usd), "basis": item.basis} for item in spending.cost.items
        ],
        "meters": [
            {"name": str(meter), "hours": f"{hours:.3f}", "running": now.running[meter]}
            for meter, hours in now.hours.items()
        ],
    }


def read_models_usd(observed: Observed, now: datetime) -> Decimal | None:
    """What models were paid this month, as the pods say; None where none does."""
    told = [pod.figures for pod in observed.pods if "spend_month" in pod.figures]
    month = int(now.astimezone(UTC).strftime("%Y%m"))
    cents = [figures["spend_cents"] for figures in told if figures["spend_month"] == month]
    return Decimal(max(cents, default=0)) / 100 if told else None


def read_machine_cost(store: ResolvedStore, previous: Mapping[str, Any]) -> MachineCost | None:
    """What the pods of a store with a budget must know of the month, as the status last told it."""
    counted = _read_counted(previous)
    if store.budget is None or counted is None:
        return None
    return MachineCost(counted.month, str(max(Decimal(0), counted.usd - counted.models_usd).quantize(CENT)))


def judge_budget(
    store: ResolvedStore, observed: Observed, previous: Mapping[str, Any], now: datetime, planned: Cost
) -> Verdict | None:
    """The condition WithinBudget; None where no pod tells what models cost, so that the last word stands.

    Machines count with what the pods are told of them, so that condition and pods agree.
    """
    budget = store.budget
    if budget is None:
        return True, Reason.NO_BUDGET, "no budget is set"
    told = read_machine_cost(store, previous)
    is_current = told is not None and told.month == now.astimezone(UTC).strftime("%Y-%m")
    machines = Decimal(told.usd) if told is not None and is_current else Decimal(0)
    paid = read_models_usd(observed, now)
    if paid is None and _pays_models(store) and machines < budget.monthly_usd:
        return None
    return _judge(budget, planned, paid or Decimal(0), machines)


def _judge(budget: ResolvedBudget, planned: Cost, paid: Decimal, machines: Decimal) -> Verdict:
    limit = f"the budget of {budget.monthly_usd} US dollars"
    if paid + machines >= budget.monthly_usd:
        what = "models, machines and storage" if machines else "models"
        words = f"what {what} cost this month has reached {limit}; {EFFECTS[budget.on_exceeded]}"
        advice = "; machines go on: suspend the store, or take a smaller tier" if machines else ""
        return False, Reason.BUDGET_EXCEEDED, words + advice
    rest = sum((item.monthly_usd for item in planned.items if item.meter is not Meter.MODELS), Decimal(0))
    if paid + rest > budget.monthly_usd:
        words = (
            f"machines and storage are planned at {rest} US dollars a month; with what models have cost that is beyond "
            f"{limit}; raise it or take a smaller tier. onExceeded acts once that much has been spent"
        )
        return False, Reason.PLANNED_BEYOND_BUDGET, words
    return True, Reason.WITHIN_BUDGET, f"what models cost this month, and all that is planned beside, is within {limit}"


def _pays_models(store: ResolvedStore) -> bool:
    return store.llm.mode is LlmMode.MODEL or store.embedding.device is Device.API


def _running(store: ResolvedStore, observed: Observed) -> dict[Meter, int]:
    # A pod that waits for a node costs nothing: a GPU that no cloud has to give is not paid.
    placed = Counter(pod.component for pod in observed.pods if pod.is_placed)
    return {
        Meter.STORE: 1,
        Meter.UP: int(not store.suspend),
        Meter.RETRIEVAL: placed[RETRIEVAL],
        Meter.GPU: placed[EMBEDDING],
        Meter.REDIS: placed[REDIS],
    }


def _read_counted(previous: Mapping[str, Any]) -> Counted | None:
    measured = (previous.get("cost") or {}).get("measured")
    if not measured:
        return None
    meters = {str(meter): meter for meter in Meter}
    known = [one for one in measured["meters"] if one["name"] in meters]
    try:
        return Counted(
            measured["month"],
            datetime.fromisoformat(measured["asOf"]),
            {meters[one["name"]]: Decimal(one["hours"]) for one in known},
            {meters[one["name"]]: int(one["running"]) for one in known},
            next((Decimal(item["usd"]) for item in measured["items"] if item["name"] == MODELS), Decimal(0)),
            Decimal(measured["usd"]),
        )
    except (ValueError, InvalidOperation):
        # Written by hand; counting begins anew.
        return None

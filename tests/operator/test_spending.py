"""What the month has cost, counted in the status alone; and what is said of the budget."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from simplemem_api.cost import Meter, monthly_cost
from simplemem_api.price_file import load_prices
from simplemem_api.prices import BUILT_IN
from simplemem_operator.builders.config_map import build_config_map
from simplemem_operator.builders.deployment import build_retrieval_deployment
from simplemem_operator.conditions import Findings
from simplemem_operator.models.desired import Desired, Images, MachineCost
from simplemem_operator.models.observed import Observed, PodHealth
from simplemem_operator.spending import Counted, advance, judge_budget, measured_status, read_machine_cost
from simplemem_operator.status import build_status, is_news
from tests.support.stores import S3, make_store

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEYED: dict[str, Any] = {"llm": {"secretName": "keys"}}


DEPLOYMENT: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "notes-retrieval"},
    "spec": {"replicas": 1},
    "status": {"replicas": 1},
}


def found(
    pods: int = 1, gpus: int = 0, cents: int | None = None, month: int = 202603, *, has_nodes: bool = True
) -> Observed:
    figures = {} if cents is None else {"spend_cents": cents, "spend_month": month}
    retrieval = PodHealth("retrieval", is_ready=True, figures=figures, is_placed=True)
    embedding = PodHealth("embedding", is_ready=False, is_placed=has_nodes)
    return Observed((DEPLOYMENT,), pods=(retrieval,) * pods + (embedding,) * gpus)


def told(observed: Observed, previous: dict[str, Any], now: datetime, **spec: Any) -> dict[str, Any]:
    """The part `cost` of the status."""
    store = make_store(**spec)
    return {"cost": measured_status(store, observed, previous, now, BUILT_IN, planned=monthly_cost(store))}


def meters(status: dict[str, Any]) -> dict[str, tuple[str, int]]:
    return {one["name"]: (one["hours"], one["running"]) for one in status["cost"]["measured"]["meters"]}


def test_hours_follow_from_what_was_written_last() -> None:
    shared: dict[str, Any] = {"tier": "GPUAccelerated", "storage": S3}
    first = told(found(3, 0), {}, NOON, **shared)
    assert meters(first)["retrieval"] == ("0.000", 3)
    second = told(found(3, 2), first, NOON + 2 * HOUR, **shared)
    assert (meters(second)["retrieval"], meters(second)["gpu"]) == (("6.000", 3), ("0.000", 2))
    third = told(found(3, 0), second, NOON + 12 * HOUR, **shared)
    assert (meters(third)["retrieval"], meters(third)["gpu"]) == (("36.000", 3), ("20.000", 0))
    items = {item["name"]: item["usd"] for item in third["cost"]["measured"]["items"]}
    assert items["GPU"] == str((Decimal(325) * 20 / 730).quantize(Decimal("0.01")))
    assert third["cost"]["measured"]["month"] == "2026-03"


def test_a_pod_that_waits_for_a_node_costs_nothing() -> None:
    waiting = found(3, 2, has_nodes=False)
    first = told(waiting, {}, NOON, tier="GPUAccelerated", storage=S3)
    later = told(waiting, first, NOON + 96 * HOUR, tier="GPUAccelerated", storage=S3)
    assert (meters(later)["retrieval"], meters(later)["gpu"]) == (("288.000", 3), ("0.000", 0))


def test_nothing_is_written_while_the_same_runs_until_it_has_cost_something() -> None:
    first = told(found(), {}, NOON, tier="Minimal")
    for hours in (1, 5, 14):
        assert told(found(), first, NOON + hours * HOUR, tier="Minimal") == first
    later = told(found(), first, NOON + 20 * HOUR, tier="Minimal")
    assert later["cost"]["measured"]["usd"] == "0.82"
    days = [told(found(), later, NOON + hours * HOUR, tier="Minimal") for hours in range(21, 33)]
    assert days == [later] * 12


def test_a_new_month_begins_at_nothing_and_goes_on_with_what_runs() -> None:
    first = told(found(2, cents=500), {}, NOON, storage=S3, **KEYED)
    late = told(found(2, cents=700), first, datetime(2026, 4, 1, 6, tzinfo=UTC), storage=S3, **KEYED)
    measured = late["cost"]["measured"]
    assert (measured["month"], meters(late)["retrieval"]) == ("2026-04", ("12.000", 2))
    assert {item["name"]: item["usd"] for item in measured["items"]}["models"] == "0.00"


def test_what_models_were_paid_is_told_and_kept_between_two_pods() -> None:
    first = told(found(cents=123), {}, NOON, **KEYED)
    assert {item["name"]: item["usd"] for item in first["cost"]["measured"]["items"]}["models"] == "1.23"
    between = told(found(2), first, NOON + HOUR, **KEYED)
    assert {item["name"]: item["usd"] for item in between["cost"]["measured"]["items"]}["models"] == "1.23"
    assert told(found(cents=124), first, NOON + HOUR, **KEYED) == first
    assert told(found(cents=999), first, NOON + HOUR, **KEYED) != first


def test_a_pass_that_saw_nothing_changes_nothing() -> None:
    first = told(found(2), {}, NOON)
    assert told(Observed(()), first, NOON + HOUR) == first
    assert told(Observed(()), {}, NOON) == {"cost": {}}


@pytest.mark.parametrize("broken", [{"asOf": "yesterday"}, {"usd": "much"}])
def test_a_status_that_was_written_by_hand_begins_anew(broken: dict[str, str]) -> None:
    first = told(found(2), {}, NOON)
    first["cost"]["measured"] |= broken
    assert meters(told(found(2), first, NOON + HOUR))["retrieval"] == ("0.000", 2)


def test_a_clock_that_goes_back_takes_no_hours_away() -> None:
    before = Counted("2026-03", NOON, {Meter.UP: Decimal(5)}, {Meter.UP: 1})
    assert advance(before, {Meter.UP: 1}, NOON - HOUR).hours == {Meter.UP: Decimal(5)}


@pytest.mark.parametrize(
    ("spec", "cents", "month", "holds", "reason", "words"),
    [
        ({}, 10**6, 202603, True, "NoBudget", "no budget"),
        ({"budget": {"monthlyUSD": "70"}, **KEYED}, 100, 202603, True, "WithinBudget", "of 70 US dollars"),
        ({"budget": {"monthlyUSD": "70"}, **KEYED}, 7000, 202603, False, "BudgetExceeded", "Warn: models go on"),
        ({"budget": {"monthlyUSD": "70"}, **KEYED}, 7000, 202602, True, "WithinBudget", "70"),
        ({"budget": {"monthlyUSD": "70"}, **KEYED}, 900, 202603, False, "PlannedBeyondBudget", "planned at 61.15"),
        ({"budget": {"monthlyUSD": "5", "onExceeded": "RejectWrites"}, **KEYED}, 500, 202603, False,
         "BudgetExceeded", "compressed by rules"),
        ({"budget": {"monthlyUSD": "5", "onExceeded": "CheaperModel"}, **KEYED}, 501, 202603, False,
         "BudgetExceeded", "cheapest"),
        ({"budget": {"monthlyUSD": "70"}, "llm": {"mode": "Rules"}}, None, 0, True, "WithinBudget", "70"),
    ],
)  # fmt: skip
def test_the_budget_is_judged_by_what_was_paid_and_what_is_planned(
    spec: dict[str, Any], cents: int | None, month: int, holds: bool | None, reason: str, words: str
) -> None:
    store = make_store(**spec)
    verdict = judge_budget(store, found(cents=cents, month=month), {}, NOON, monthly_cost(store))
    assert verdict is not None
    assert verdict[:2] == (holds, reason)
    assert words in verdict[2]


def spent(machines: str, models: str = "0.00", month: str = "2026-03") -> dict[str, Any]:
    """A status that tells what a month has cost."""
    items = [{"name": "server", "usd": machines, "basis": ""}, {"name": "models", "usd": models, "basis": ""}]
    usd = str(Decimal(machines) + Decimal(models))
    as_of = f"{month}-10T12:00:00Z"
    return {"cost": {"measured": {"month": month, "asOf": as_of, "usd": usd, "items": items, "meters": []}}}


@pytest.mark.parametrize(
    ("previous", "cents", "holds", "reason", "words"),
    [
        (spent("65.00"), 500, False, "BudgetExceeded", "models, machines and storage cost this month has reached"),
        (spent("65.00"), 499, True, "WithinBudget", "70"),
        (spent("50.00"), 900, False, "PlannedBeyondBudget", "onExceeded acts once that much has been spent"),
        (spent("70.00"), None, False, "BudgetExceeded", "compressed by rules; machines go on: suspend the store"),
        (spent("69.99"), None, None, "", ""),
        (spent("99.00", month="2026-02"), 100, True, "WithinBudget", "70"),
    ],
)
def test_machines_count_towards_the_budget(
    previous: dict[str, Any], cents: int | None, holds: bool | None, reason: str, words: str
) -> None:
    store = make_store(budget={"monthlyUSD": "70", "onExceeded": "RejectWrites"}, **KEYED)
    verdict = judge_budget(store, found(cents=cents), previous, NOON, monthly_cost(store))
    assert (verdict or (None, ""))[:2] == (holds, reason)
    assert words in (verdict or ("", "", ""))[2]


def test_pods_are_told_what_machines_cost_and_are_not_replaced_for_it() -> None:
    store = make_store(budget={"monthlyUSD": "70"}, **KEYED)
    assert read_machine_cost(make_store(**KEYED), spent("1.00")) is None
    assert read_machine_cost(store, {}) is None
    cost = read_machine_cost(store, spent("12.30", "4.00"))
    assert cost == MachineCost("2026-03", "12.30")
    before = Desired(store, "u", Images("service:1"))
    after = replace(before, machine_cost=cost)
    assert build_config_map(after)["data"]["month.json"] == '{"machinesUSD": "12.30", "month": "2026-03"}\n'
    assert "month.json" not in build_config_map(before)["data"]
    assert build_retrieval_deployment(after) == build_retrieval_deployment(before)


def test_the_last_word_on_the_budget_stands_between_two_pods() -> None:
    store = make_store(budget={"monthlyUSD": "70"}, **KEYED)

    def status(observed: Observed, previous: dict[str, Any]) -> dict[str, Any]:
        return build_status(Findings(store, observed), 1, previous, NOON)

    def budget(status: dict[str, Any]) -> str:
        return next(str(one["status"]) for one in status["conditions"] if one["type"] == "WithinBudget")

    assert budget(status(found(), {})) == "Unknown"
    exceeded = status(found(cents=7000), {})
    assert budget(exceeded) == "False"
    assert budget(status(found(), exceeded)) == "False"
    assert not is_news(status(found(cents=7100), exceeded), exceeded)


def test_own_prices_reach_the_status() -> None:
    prices = load_prices("{catalogue: acme, tiers: {Minimal: {server: 730}}}")
    store = make_store(tier="Minimal")
    first = build_status(Findings(store, found(), prices=prices), 1, {}, NOON)
    assert (first["cost"]["monthlyUSD"], first["cost"]["catalogue"]) == ("732.84", "acme")
    later = build_status(Findings(store, found(), prices=prices), 1, first, NOON + 20 * HOUR)
    assert later["cost"]["measured"]["usd"] == "20.00"

"""What a user reads of a store with kubectl: its line, conditions and events; live figures that cause no writes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.conftest import Fleet, Space, eventually

WEEK = {"week_days": 7, "week_turns": 700, "week_queries": 7, "index_behind_seconds": 0}


def canary(ago: float) -> dict[str, int]:
    """What a pod says whose last check turn was found so many seconds ago."""
    now = int(time.time())
    return {
        "canary_interval_seconds": 300, "canary_since": now - 7200, "canary_at": now - int(ago),
        "canary_milliseconds": 640,
    }  # fmt: skip


@pytest.fixture
def figures(fleet: Fleet, town: Space) -> Iterator[dict[str, int]]:
    """What the pods of the town say beside the usual."""
    fleet.answerer.more_figures[town.name] = {**WEEK, **canary(10)}
    yield fleet.answerer.more_figures[town.name]
    del fleet.answerer.more_figures[town.name]


def condition(space: Space, kind: str) -> tuple[str, str]:
    found = space.condition(kind)
    return found.get("status", ""), found.get("reason", "")


def test_a_store_reads_like_a_dashboard(town: Space, figures: dict[str, int]) -> None:
    town.store(tier="CostEffective", budget={"monthlyUSD": "70"}, llm={"mode": "Rules"})
    eventually(lambda: town.ready().get("status") == "True")
    heads, line = (row.split() for row in town.kubectl("get", "smem").splitlines())
    assert heads == ["NAME", "READY", "REASON", "TIER", "ENTRIES", "COST", "AGE"]
    assert line[:-1] == ["notes", "True", "Ready", "CostEffective", "10", "61.15"]
    assert condition(town, "IndexHealthy") == ("True", "IndexFollows")
    assert condition(town, "WritePathHealthy") == ("True", "WritePathProven")
    assert condition(town, "WithinBudget") == ("True", "WithinBudget")
    assert condition(town, "TierFits") == ("True", "LoadFits")
    status = (town.get("smem", "notes") or {})["status"]
    assert status["load"] == {"days": 7, "turnsPerMonth": 3000, "queriesPerMonth": 30}
    assert status["recommendation"]["tier"] == "CostEffective"
    assert status["writePath"]["latencyMilliseconds"] == 640
    measured = status["cost"]["measured"]
    assert {item["name"] for item in measured["items"]} == {"server", "S3 backup", "models"}
    assert {one["name"]: one["running"] for one in measured["meters"]} == {
        "store": 1, "up": 1, "retrieval": 1, "gpu": 0, "redis": 0,
    }  # fmt: skip


def test_what_turns_is_told_once_and_leaves_the_store_ready(town: Space, figures: dict[str, int], fleet: Fleet) -> None:
    town.store(tier="Minimal", budget={"monthlyUSD": "70"}, llm={"secretName": "keys"})
    town.secret("keys", OPENAI_API_KEY="x")
    figures |= {"spend_month": int(time.strftime("%Y%m", time.gmtime())), "spend_cents": 100}
    eventually(lambda: condition(town, "WithinBudget") == ("True", "WithinBudget"))
    eventually(lambda: condition(town, "TierFits")[1] == "TierTooSmall")
    assert (town.get("smem", "notes") or {})["status"]["recommendation"]["tier"] == "CostEffective"
    figures |= {"spend_cents": 7000, **canary(1000)}
    eventually(lambda: condition(town, "WithinBudget") == ("False", "BudgetExceeded"), within=60)
    eventually(lambda: condition(town, "WritePathHealthy") == ("False", "WritePathStale"))
    assert town.ready()["status"] == "True"
    models = (town.get("smem", "notes") or {})["status"]["cost"]["measured"]["items"][-1]
    assert (models["name"], models["usd"]) == ("models", "70.00")
    metrics = fleet.operator.metrics("simplemem_operator_store")
    name = f'name="notes",namespace="{town.name}"'
    assert metrics[f"simplemem_operator_store_month_cost_usd{{{name}}}"] >= 70
    assert metrics[f"simplemem_operator_store_write_path_age_seconds{{{name}}}"] >= 1000
    assert metrics[f"simplemem_operator_store_turns_per_month{{{name}}}"] == 3000

    def warned() -> dict[str, dict[str, Any]] | None:
        found = {event["reason"]: event for event in town.events() if event["type"] == "Warning"}
        return found if {"TierTooSmall", "BudgetExceeded", "WritePathStale"} <= set(found) else None

    found = eventually(warned)
    assert "take CostEffective" in found["TierTooSmall"]["message"]
    assert "onExceeded is Warn" in found["BudgetExceeded"]["message"]
    reasons = [event["reason"] for event in town.events()]
    assert all(reasons.count(reason) == 1 for reason in ("TierTooSmall", "BudgetExceeded", "WritePathStale"))


def test_figures_that_move_all_the_time_cause_no_write(town: Space, figures: dict[str, int], fleet: Fleet) -> None:
    town.store(tier="Minimal")
    eventually(lambda: town.ready().get("status") == "True")
    town.rest()
    before, asked = town.writes(), fleet.answerer.asked[town.name]
    for turns in (705, 710):
        figures |= {"week_turns": turns, **canary(0)}
        asked = fleet.answerer.asked[town.name]
        eventually(lambda asked=asked: fleet.answerer.asked[town.name] > asked, within=60)  # type: ignore[misc]
    time.sleep(3)
    assert town.writes() == before

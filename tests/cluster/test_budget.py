"""A budget that machines alone use up, with pods on paper: condition, events, and what the pods are told."""

from __future__ import annotations

import json
from typing import Any

from tests.cluster.conftest import Space, eventually

HOURS_OF_A_MONTH = "730.000"


def grown_old(space: Space) -> None:
    """Have the store look as if it had run since the month began."""
    measured = (space.get("smem", "notes") or {})["status"]["cost"]["measured"]
    meters = [{**meter, "hours": HOURS_OF_A_MONTH} for meter in measured["meters"]]
    patch = json.dumps({"status": {"cost": {"measured": {"meters": meters}}}})
    space.kubectl("patch", "smem", "notes", "--subresource=status", "--type=merge", "-p", patch)


def budget(space: Space) -> str:
    return str(space.condition("WithinBudget").get("reason"))


def month(space: Space) -> dict[str, str]:
    found = space.get("configmap", "notes-config") or {}
    told: dict[str, str] = json.loads(found.get("data", {}).get("month.json", "{}"))
    return told


def events(space: Space) -> list[dict[str, Any]]:
    return [event for event in space.events() if "Budget" in event["reason"]]


def test_machines_that_use_up_the_budget_are_told_once_and_to_the_pods_without_a_roll(town: Space) -> None:
    town.store(tier="CostEffective", llm={"mode": "Rules"}, budget={"monthlyUSD": "60", "onExceeded": "RejectWrites"})
    eventually(lambda: town.ready().get("status") == "True", within=60)
    eventually(lambda: budget(town) == "PlannedBeyondBudget")
    eventually(lambda: month(town).get("machinesUSD") == "0.00")
    before = (town.get("deployment", "notes-retrieval") or {})["metadata"]["generation"]

    grown_old(town)
    eventually(lambda: budget(town) == "BudgetExceeded")
    message = town.condition("WithinBudget")["message"]
    assert message.startswith("what models, machines and storage cost this month has reached the budget of 60")
    assert "turns are compressed by rules; machines go on" in message
    eventually(lambda: float(month(town).get("machinesUSD", 0)) > 60)
    # What it costs is no reason to be less ready, nor to replace a pod.
    assert town.ready()["status"] == "True"
    town.rest()
    assert (town.get("deployment", "notes-retrieval") or {})["metadata"]["generation"] == before
    assert sorted((event["type"], event["reason"]) for event in events(town)) == [
        ("Warning", "BudgetExceeded"),
        ("Warning", "PlannedBeyondBudget"),
    ]

    town.patch("smem", "notes", {"spec": {"budget": {"monthlyUSD": "200"}}})
    eventually(lambda: budget(town) == "WithinBudget")

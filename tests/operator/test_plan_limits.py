"""How full a plan of LanceDB Cloud is, as the condition WithinPlan tells it."""

from __future__ import annotations

from typing import Any

import pytest

from simplemem_operator.models.observed import Observed, PodHealth
from simplemem_operator.models.verdict import Verdict
from simplemem_operator.plan_limits import judge_plan
from tests.support.stores import make_store

TOLD = {"conditions": [{"type": "WithinPlan", "status": "False", "reason": "PlanNearlyFull", "message": "80 %"}]}


def judged(plan: str, previous: dict[str, Any] | None = None, **figures: int) -> Verdict:
    cloud = {"uri": "db://x", "apiKeySecretName": "k", "plan": plan, "journal": {"bucket": "abc"}}
    pods = (PodHealth("retrieval", is_ready=True, figures=figures),)
    found = judge_plan(make_store(storage={"lanceDBCloud": cloud}), Observed((), pods=pods), previous or {})
    assert found is not None
    return found


def test_a_store_elsewhere_has_no_plan() -> None:
    assert judge_plan(make_store(), Observed(()), {}) is None


@pytest.mark.parametrize(
    ("entries", "size", "reason", "percent"),
    [
        (79_999, 10, "PlanHolds", None),
        (80_000, 10, "PlanNearlyFull", 80),
        (10, 860_000_000, "PlanNearlyFull", 85),
        (99_999, 10, "PlanNearlyFull", 95),
        (100_000, 10, "PlanFull", 100),
        (10, 2_340_000_000, "PlanFull", 230),
    ],
)
def test_the_fuller_of_vectors_and_bytes_counts(entries: int, size: int, reason: str, percent: int | None) -> None:
    holds, found, words = judged("Free", entries=entries, storage_bytes=size)
    assert (holds, found) == (percent is None, reason)
    assert "100,000 vectors and 1 GB" in words
    assert percent is None or words.startswith(f"{percent} % of plan Free")


def test_what_was_told_stands_until_there_is_room_again() -> None:
    assert judged("Starter", TOLD, entries=760_000, storage_bytes=0)[1] == "PlanNearlyFull"
    assert judged("Starter", TOLD, entries=749_000, storage_bytes=0)[1] == "PlanHolds"


def test_between_two_pods_the_known_size_counts() -> None:
    assert judged("Growth", {"entries": 9_000_000, "storageBytes": 5})[1] == "PlanNearlyFull"
    assert judged("Growth")[:2] == (None, "Reconciling")


def test_a_plan_by_contract_has_no_limit_here() -> None:
    assert judged("Enterprise", entries=10**9, storage_bytes=10**15)[:2] == (True, "PlanHolds")

"""What the metrics tell of a store's status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY, Gauge, generate_latest

from simplemem_operator import metrics
from tests.operator.test_status import healthy, status_of

PLACE = {"namespace": "team-a", "name": "shown"}


def condition(kind: str, status: str, reason: str) -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": "m"}


def series(gauge: Gauge, *labels: str) -> dict[tuple[str, ...], float]:
    """The store's series of a gauge, by their further labels."""
    (found,) = gauge.collect()
    own = [sample for sample in found.samples if PLACE.items() <= sample.labels.items()]
    return {tuple(sample.labels[label] for label in labels): sample.value for sample in own}


def shown() -> set[tuple[str, ...]]:
    return set(series(metrics.STORE_CONDITION, "type", "status", "reason"))


def measured(**hours: str) -> dict[str, Any]:
    """A status with hours by meter."""
    meters = [{"name": name, "hours": text, "running": 1} for name, text in hours.items()]
    cost = {"items": [{"name": "server", "monthlyUSD": "30.00", "basis": "b"}]}
    return {"conditions": [], "cost": cost | {"measured": {"usd": "1.00", "items": [], "meters": meters}}}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    metrics.forget_store(**PLACE)


def test_a_condition_that_changes_leaves_one_series() -> None:
    metrics.show_status(**PLACE, status={"conditions": [condition("Ready", "Unknown", "Reconciling")]})
    metrics.show_status(**PLACE, status={"conditions": [condition("Ready", "True", "Ready")]})
    assert shown() == {("Ready", "True", "Ready")}


def test_stores_do_not_touch_each_others_series() -> None:
    metrics.show_status(**PLACE, status={"conditions": [condition("Ready", "True", "Ready")]})
    metrics.show_status("team-b", "other", {"conditions": [condition("Ready", "False", "PodsFailing")]})
    metrics.forget_store("team-b", "other")
    assert shown() == {("Ready", "True", "Ready")}


def test_the_time_of_the_last_copy_is_in_seconds() -> None:
    metrics.show_status(**PLACE, status={"conditions": [], "lastBackupTime": "2026-03-01T12:00:00Z"})
    assert REGISTRY.get_sample_value(metrics.LAST_BACKUP._name, PLACE) == 1772366400


def test_the_items_of_the_cost_are_the_status_s_and_make_its_sum() -> None:
    status = status_of(healthy(), embedding={"device": "GPU"})
    metrics.show_status(**PLACE, status=status)
    found = series(metrics.COST_ITEM, "item")
    assert found == {(item["name"],): float(item["monthlyUSD"]) for item in status["cost"]["items"]}
    assert round(sum(found.values()), 2) == float(status["cost"]["monthlyUSD"])
    assert ("GPU",) in found
    metrics.show_status(**PLACE, status=status_of(healthy()))
    assert set(series(metrics.COST_ITEM, "item")) == set(found) - {("GPU",)}


def test_the_hours_of_this_month_go_with_their_meters() -> None:
    status = measured(store="720.000", up="700.500", gpu="12.250")
    metrics.show_status(**PLACE, status=status)
    assert series(metrics.HOURS, "meter") == {("store",): 720, ("up",): 700.5, ("gpu",): 12.25}
    # The first of the next month: hours begin anew, of what runs.
    metrics.show_status(**PLACE, status=measured(store="0.250", up="0.250"))
    assert series(metrics.HOURS, "meter") == {("store",): 0.25, ("up",): 0.25}


def test_one_tier_is_recommended_and_none_before_the_load_is_known() -> None:
    metrics.show_status(**PLACE, status={"conditions": []})
    assert not series(metrics.RECOMMENDED_TIER)
    for tier in ("CostEffective", "Enterprise"):
        metrics.show_status(**PLACE, status={"conditions": [], "recommendation": {"tier": tier, "reason": "r"}})
        assert series(metrics.RECOMMENDED_TIER, "tier") == {(tier,): 1}
    metrics.show_status(**PLACE, status={"conditions": []})
    assert not series(metrics.RECOMMENDED_TIER)


def test_a_store_that_is_gone_leaves_nothing() -> None:
    status = measured(store="1.000") | {
        "conditions": [condition("Ready", "True", "Ready")],
        "lastBackupTime": "2026-03-01T12:00:00Z",
        "load": {"days": 7, "turnsPerMonth": 10, "queriesPerMonth": 20},
        "recommendation": {"tier": "Minimal", "reason": "r"},
    }
    metrics.show_status(**PLACE, status=status)
    written = (metrics.STORE_READY, metrics.STORE_COST, metrics.WRITE_PATH_AGE)
    assert all(series(gauge) for gauge in metrics.PER_STORE if gauge not in written)
    for gauge in written:
        gauge.labels(**PLACE).set(1)
    metrics.forget_store(**PLACE)
    assert PLACE["name"] not in generate_latest().decode()
    # Whoever takes the name begins with nothing remembered.
    metrics.show_status(**PLACE, status={"conditions": []})
    assert PLACE["name"] not in generate_latest().decode()

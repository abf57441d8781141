"""What the metrics tell of a store's conditions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY, generate_latest

from simplemem_operator import metrics

PLACE = {"namespace": "team-a", "name": "shown"}


def condition(kind: str, status: str, reason: str) -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": "m"}


def shown() -> set[tuple[str, str, str]]:
    found = next(iter(metrics.STORE_CONDITION.collect())).samples
    labels = [sample.labels for sample in found if sample.labels["name"] == PLACE["name"]]
    return {(label["type"], label["status"], label["reason"]) for label in labels}


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


def test_a_store_that_is_gone_leaves_nothing() -> None:
    status = {"conditions": [condition("Ready", "True", "Ready")], "lastBackupTime": "2026-03-01T12:00:00Z"}
    metrics.show_status(**PLACE, status=status)
    metrics.forget_store(**PLACE)
    assert PLACE["name"] not in generate_latest().decode()

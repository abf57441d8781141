"""When the write path counts as proven, and when the status says so anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simplemem_operator.conditions import Findings
from simplemem_operator.models.observed import Observed, PodHealth
from simplemem_operator.status import build_status, is_news, ready_of
from simplemem_operator.write_path import judge_write_path, read_write_path, write_path_status
from tests.support.stores import make_store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def pod(ago: float | None, started: float = 3600, *, complaint: str = "", took: int = 700) -> PodHealth:
    """A pod whose last success lies so many seconds back; None: it had none."""
    figures = {
        "canary_interval_seconds": 300,
        "canary_since": int(NOW.timestamp() - started),
        "canary_at": 0 if ago is None else int(NOW.timestamp() - ago),
        "canary_milliseconds": took,
    }
    check = {"ok": not complaint, "message": complaint or "fine"}
    return PodHealth("retrieval", is_ready=True, checks={"write_path": check}, figures=figures)


def verdict(*pods: PodHealth, suspended: bool = False) -> tuple[bool | None, str, str]:
    return judge_write_path(read_write_path(pods), NOW, is_suspended=suspended)


@pytest.mark.parametrize(
    ("pods", "holds", "reason", "words"),
    [
        ((), None, "NotChecked", "SIMPLEMEM_CANARY_SECONDS"),
        ((PodHealth("retrieval", is_ready=True),), None, "NotChecked", "no pod"),
        ((pod(0),), True, "WritePathProven", "15 min"),
        ((pod(900),), True, "WritePathProven", "15 min"),
        ((pod(901),), False, "WritePathStale", "15 min"),
        ((pod(2000), pod(10)), True, "WritePathProven", "15 min"),
        ((pod(2000, complaint="not applied"), pod(1800)), False, "WritePathStale", "not applied"),
        ((pod(None, started=30),), None, "Reconciling", "on its way"),
        ((pod(None, started=901),), False, "WritePathStale", "15 min"),
        ((pod(40_000, started=30),), None, "Reconciling", "on its way"),
        ((pod(40_000, started=901),), False, "WritePathStale", "15 min"),
    ],
)
def test_three_intervals_without_a_success_are_too_long(
    pods: tuple[PodHealth, ...], holds: bool | None, reason: str, words: str
) -> None:
    found = verdict(*pods)
    assert found[:2] == (holds, reason)
    assert words in found[2]


def test_a_suspended_store_has_no_write_path() -> None:
    assert verdict(pod(9999), suspended=True)[:2] == (None, "Suspended")


def test_successes_are_told_once_a_day() -> None:
    def told(ago: float, previous: dict[str, Any]) -> dict[str, Any] | None:
        return write_path_status(read_write_path([pod(ago)]), previous, NOW)

    first = told(300, {})
    assert first == {"lastSuccessTime": "2026-03-01T11:55:00Z", "latencyMilliseconds": 700}
    assert told(0, {"writePath": first}) == first
    assert told(0, {"writePath": {**(first or {}), "lastSuccessTime": "2026-02-28T12:00:01Z"}}) != told(0, {})
    later = told(0, {"writePath": {**(first or {}), "lastSuccessTime": "2026-02-28T12:00:00Z"}})
    assert later == {"lastSuccessTime": "2026-03-01T12:00:00Z", "latencyMilliseconds": 700}
    assert write_path_status(None, {"writePath": first}, NOW) == first
    assert write_path_status(None, {}, NOW) is None


def test_the_next_success_is_no_news_and_a_broken_path_leaves_the_store_ready() -> None:
    def status(at: datetime, ago: float, previous: dict[str, Any]) -> dict[str, Any]:
        checks = {name: {"ok": True, "message": "fine"} for name in ("storage", "embedding", "ingest")}
        found = pod(ago)
        found = PodHealth("retrieval", is_ready=True, checks={**checks, **found.checks}, figures=found.figures)
        deployment = {
            "kind": "Deployment",
            "metadata": {"name": "notes-retrieval", "generation": 1},
            "spec": {"replicas": 1},
            "status": {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1},
        }
        claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "notes-data"}, "status": {"phase": "Bound"}}
        observed = Observed((deployment, claim), pods=(found,))
        return build_status(Findings(make_store(tier="Minimal"), observed), 1, previous, at)

    before = status(NOW, 600, {})
    assert not is_news(status(NOW + timedelta(minutes=4), 300, before), before)
    broken = status(NOW + timedelta(hours=1), 600, before)
    assert is_news(broken, before)
    by_type = {found["type"]: found["status"] for found in broken["conditions"]}
    assert (by_type["WritePathHealthy"], ready_of(broken)["status"]) == ("False", "True")

"""Autoscaling and rolling under real load: metrics-server measures, the autoscaler scales, and no request fails."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e import kube
from tests.e2e.load import check_all_there_once, load, writing
from tests.e2e.stores import (
    BUCKET_KEYS,
    FIGURES,
    bucket,
    create_bucket_keys,
    namespace,
    needs_node,
    parcels,
    pod_urls,
    search,
    store,
    tell,
    wait_ready,
)
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]

WHERE = "team-c"
NAME = "busy"
RETRIEVAL = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component=retrieval"
RESOURCES = {"requests": {"cpu": "60m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
QUESTION: dict[str, Any] = {"query": "Where did Ada put the parcel?", "filter": {"user_id": "u"}}


def question(_: int) -> dict[str, Any]:
    """Always the same: an answer is worth the work, since nothing caches here."""
    return QUESTION


def ready_pods() -> int:
    found = kube.get("deployment", f"{NAME}-retrieval", WHERE)
    status = (found or {}).get("status", {})
    return int(status.get("readyReplicas", 0)) if status.get("readyReplicas") == status.get("replicas") else -1


def wanted_pods() -> int:
    found = kube.get("deployment", f"{NAME}-retrieval", WHERE)
    return int((found or {"spec": {"replicas": 0}})["spec"]["replicas"])


@pytest.fixture(scope="module")
def url() -> str:
    """Address of a store with an autoscaler that remembers something."""
    kube.apply(namespace(WHERE))
    create_bucket_keys(WHERE)
    kube.apply(
        store(NAME, WHERE, tier="CostEffective", storage={"s3": bucket(prefix="busy")},
              embedding={"model": "all-MiniLM-L6-v2"}, pods={"resources": RESOURCES},
              autoscaling={"minReplicas": 2, "maxReplicas": 4})
    )  # fmt: skip
    with step(f"MemoryStore {WHERE}/{NAME}: Ready with an autoscaler"):
        wait_ready(NAME, WHERE)
    url = kube.service_url(NAME, WHERE)
    with httpx.Client(base_url=url, timeout=30) as client:
        tell(client, parcels(0, 50), "u")
    kube.eventually(lambda: ready_pods() == 2, within=120, what="two pods")
    # A pod hears of what another has stored within a second or so.
    kube.eventually(lambda: all(search(pod, QUESTION["query"], "u") for pod in pod_urls(WHERE, RETRIEVAL)),
                    within=30, what="each pod finds what is stored")  # fmt: skip
    return url


def test_load_scales_up_and_its_end_scales_down_without_a_failed_request(url: str) -> None:
    with load(url, question, clients=6) as state:
        kube.eventually(lambda: state.answered > 20, within=60, what="searches answered")
        with step("load: 2 -> 4 pods"):
            kube.eventually(lambda: ready_pods() == 4, within=180, what="four pods")
        while_growing = state.answered
        state.pause = 1.5
        with step("calm: 4 -> 2 pods"):
            kube.eventually(lambda: wanted_pods() == 2 and ready_pods() == 2, within=240, what="two pods again")
        time.sleep(5)
    FIGURES["searches while scaling"] = {
        "answered": state.answered,
        "while growing": while_growing,
        "failed": state.failed,
    }
    assert state.failed == []
    assert state.answered > while_growing + 60, "searches went on while pods went"


@pytest.fixture(scope="module")
def steady(url: str) -> str:
    """Address of the store once the autoscaler may move its pods no longer: a roll alone then adds and takes pods."""
    kube.kubectl("patch", "memorystore", NAME, "-n", WHERE, "--type=merge", "-p",
                 json.dumps({"spec": {"autoscaling": {"minReplicas": 2, "maxReplicas": 2}}}))  # fmt: skip

    def settled() -> bool:
        found = kube.get("horizontalpodautoscaler", f"{NAME}-retrieval", WHERE)
        return (found or {})["spec"]["maxReplicas"] == 2 and wanted_pods() == 2 and ready_pods() == 2

    kube.eventually(settled, within=120, what="two pods that stay")
    return url


def change_setting() -> None:
    kube.kubectl("patch", "memorystore", NAME, "-n", WHERE, "--type=merge", "-p",
                 json.dumps({"spec": {"retrieval": {"topK": 7}}}))  # fmt: skip


def rotate_secret() -> None:
    """Give the Secret of the bucket's keys another content, as a rotation does."""
    kube.kubectl("patch", "secret", BUCKET_KEYS, "-n", WHERE, "--type=merge", "-p",
                 json.dumps({"stringData": {"rotated-at": "2026-04-01"}}))  # fmt: skip


@pytest.mark.parametrize("change", [change_setting, rotate_secret])
def test_a_change_rolls_one_pod_at_a_time_without_a_failed_request(steady: str, change: Callable[[], None]) -> None:
    there = kube.listed("pods", WHERE, RETRIEVAL)
    # One that the autoscaler has let go may still be there, draining.
    before = {pod["metadata"]["uid"] for pod in there if "deletionTimestamp" not in pod["metadata"]}
    surplus, fewest = 0, len(before)
    name = change.__name__.replace("_", "-")
    with load(steady, question, clients=2, pause=0.05) as state, writing(steady, name, f"{name}-", 0.2) as written:
        change()

        def rolled() -> bool:
            nonlocal surplus, fewest
            found = kube.get("deployment", f"{NAME}-retrieval", WHERE) or {}
            surplus = max(surplus, found["status"]["replicas"] - found["spec"]["replicas"])
            fewest = min(fewest, found["status"].get("availableReplicas", 0))
            now = {pod["metadata"]["uid"] for pod in kube.listed("pods", WHERE, RETRIEVAL)}
            return len(now) == wanted_pods() and not now & before and ready_pods() == len(now)

        with step(f"{change.__name__.replace('_', ' ')}: every pod is another"):
            kube.eventually(rolled, within=300, what="all pods replaced")
        wait_ready(NAME, WHERE)
        time.sleep(3)
    assert (surplus, fewest) == (1, len(before)), "one new pod beside those that answer"
    assert min(state.answered, len(written.acknowledged)) > 20
    assert (state.failed, written.failed) == ([], [])
    check_all_there_once(steady, name, written)

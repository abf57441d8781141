"""Autoscaling and rolling under real load: metrics-server measures, the autoscaler scales, and no request fails."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from tests.e2e import kube
from tests.e2e.stores import FIGURES, bucket, create_bucket_keys, finish, namespace, needs_node, store, wait_ready
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]

WHERE = "team-c"
NAME = "busy"
RETRIEVAL = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component=retrieval"
RESOURCES = {"requests": {"cpu": "60m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
QUESTION = {"query": "Where did Ada put the parcel?", "filter": {"user_id": "u"}}


@dataclass(slots=True)
class Load:
    """Searches of several clients, each with a connection of its own, so that every ready pod gets its share."""

    pause: float = 0.0
    """Seconds between two searches of a client."""
    answered: int = 0
    """Searches that came back with their result."""
    failed: list[str] = field(default_factory=list)
    """What the others came back with."""


@contextmanager
def load(url: str, clients: int) -> Iterator[Load]:
    """Search from the background."""
    state, stop, lock = Load(), threading.Event(), threading.Lock()

    def ask() -> None:
        with httpx.Client(base_url=url, headers={"Connection": "close"}, timeout=30) as client:
            while not stop.is_set():
                try:
                    answer = client.post("/v1/search", json=QUESTION)
                    is_right = answer.status_code == httpx.codes.OK and bool(answer.json()["results"])
                    found = "" if is_right else answer.text[:200]
                except httpx.HTTPError as error:
                    found = repr(error)
                with lock:
                    state.answered += not found
                    state.failed += [found] if found else []
                stop.wait(state.pause)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield state
    finally:
        stop.set()
        for thread in threads:
            thread.join()


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
    turns = [
        {"id": f"t{number}", "speaker": "Ada", "text": f"I put parcel {number} on shelf {number * 3}.",
         "timestamp": "2026-04-01T09:00:00Z"}
        for number in range(50)
    ]  # fmt: skip
    with httpx.Client(base_url=url, timeout=30) as client:
        answer = client.post("/v1/turns", json={"user_id": "u", "session_id": "s", "turns": turns}).raise_for_status()
        assert finish(client, answer.json()["operation_id"])["state"] == "Succeeded"
    kube.eventually(lambda: ready_pods() == 2, within=120, what="two pods")
    return url


def test_load_scales_up_and_its_end_scales_down_without_a_failed_request(url: str) -> None:
    with load(url, clients=6) as state:
        kube.eventually(lambda: state.answered > 20, within=60, what="searches answered")
        with step("load: 2 -> 4 pods"):
            kube.eventually(lambda: ready_pods() == 4, within=180, what="four pods")
        at_most = state.answered
        state.pause = 3.0
        with step("calm: 4 -> 2 pods"):
            kube.eventually(lambda: wanted_pods() == 2 and ready_pods() == 2, within=240, what="two pods again")
        time.sleep(5)
    FIGURES["searches while scaling"] = {"answered": state.answered, "while growing": at_most, "failed": state.failed}
    assert state.failed == []


def test_a_changed_setting_rolls_all_pods_without_a_failed_request(url: str) -> None:
    before = {pod["metadata"]["uid"] for pod in kube.listed("pods", WHERE, RETRIEVAL)}
    with load(url, clients=2) as state:
        state.pause = 0.05
        kube.kubectl("patch", "memorystore", NAME, "-n", WHERE, "--type=merge", "-p",
                     json.dumps({"spec": {"retrieval": {"topK": 7}}}))  # fmt: skip

        def rolled() -> bool:
            now = {pod["metadata"]["uid"] for pod in kube.listed("pods", WHERE, RETRIEVAL)}
            return len(now) == wanted_pods() and not now & before and ready_pods() == len(now)

        with step("a changed setting: every pod is another"):
            kube.eventually(rolled, within=300, what="all pods replaced")
        wait_ready(NAME, WHERE)
        time.sleep(3)
    assert state.answered > 20
    assert state.failed == []

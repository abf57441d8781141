"""GPU pods come with a backlog, encode what waits, may be lost, and go when idle; runs while the release is installed.

The node has no GPU: it is said to have one, so that the scheduler, the kubelet and the operator do what they do where
there is one. What runs in the pod is what runs on a GPU node, and finds processors only.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e import kube
from tests.e2e.load import load
from tests.e2e.stores import (
    FIGURES,
    bucket,
    counted,
    create_bucket_keys,
    finish,
    namespace,
    needs_node,
    parcels,
    pod_urls,
    store,
    wait_ready,
)
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]

WHERE, NAME = "team-g", "product"
GPU = "nvidia.com/gpu"
T4 = "cloud.google.com/gke-accelerator"
OWN = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component"
FIRST, BATCH = 10, 10_000
"""Turns that are there before, and turns of each of two requests at once: on two cores a minute's work and more."""


@pytest.fixture
def node() -> Iterator[str]:
    """The node, with a GPU as a device plugin of NVIDIA's tells of it."""
    (found,) = kube.listed("nodes")
    name: str = found["metadata"]["name"]
    kube.kubectl("label", "node", name, f"{T4}=nvidia-tesla-t4")
    patch(name, {"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": "1"})
    kube.eventually(lambda: GPU in kube.listed("nodes")[0]["status"]["allocatable"], within=60, what="a GPU to ask for")
    yield name
    kube.kubectl("label", "node", name, f"{T4}-")
    patch(name, {"op": "remove", "path": "/status/capacity/nvidia.com~1gpu"})


def patch(node: str, change: dict[str, str]) -> None:
    kube.kubectl("patch", "node", node, "--subresource=status", "--type=json", "-p", json.dumps([change]))


def send(client: httpx.Client, batch: list[dict[str, str]]) -> str:
    """Hand turns over, again where the store says to come again: turns with ids are taken once. The operation's id."""

    def accepted() -> str | None:
        answer = client.post("/v1/turns", json={"user_id": "u", "session_id": "s", "turns": batch})
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return None
        operation: str = answer.raise_for_status().json()["operation_id"]
        return operation

    return kube.eventually(accepted, within=60, what="turns accepted", every=2)


def gpu_pods() -> list[dict[str, Any]]:
    return kube.listed("pods", WHERE, f"{OWN}=embedding")


def wanted() -> int:
    found = kube.get("statefulset", f"{NAME}-embedding", WHERE)
    return int(found["spec"]["replicas"]) if found else -1


def encoded(where: str) -> float:
    """Texts that the writer has had from the embedding pods (``pods``), or encoded by itself (``here``)."""
    (writer,) = pod_urls(WHERE, f"{OWN}=ingest")
    return counted(writer, "encoded_texts_total", "where", where)


def status() -> dict[str, Any]:
    found: dict[str, Any] = (kube.get("memorystore", NAME, WHERE) or {}).get("status", {})
    return found


def gpu_hours() -> float:
    meters = status().get("cost", {}).get("measured", {}).get("meters", [])
    return sum(float(one["hours"]) for one in meters if one["name"] == "gpu")


def test_a_backlog_brings_a_gpu_pod_and_its_end_takes_it_away(node: str) -> None:
    kube.apply(namespace(WHERE))
    create_bucket_keys(WHERE)
    gpu = {"minReplicas": 0, "maxReplicas": 1, "idleSeconds": 10}
    kube.apply(
        store(NAME, WHERE, tier="GPUAccelerated", storage={"s3": bucket(prefix=NAME)},
              embedding={"model": "all-MiniLM-L6-v2", "device": "GPU", "gpu": gpu})
    )  # fmt: skip
    with step(f"MemoryStore {WHERE}/{NAME}: Ready, with no GPU pod"):
        wait_ready(NAME, WHERE)
    assert wanted() == 0
    url = kube.service_url(NAME, WHERE)
    question = {"query": "Where did Ada put parcel 7?", "filter": {"user_id": "u"}}
    with httpx.Client(base_url=url, timeout=120) as client:
        assert finish(client, send(client, parcels(0, FIRST)))["state"] == "Succeeded"

        def is_found_everywhere() -> bool:
            pods = pod_urls(WHERE, f"{OWN}=retrieval")
            return all(httpx.post(f"{pod}/v1/search", json=question).json().get("results") for pod in pods)

        kube.eventually(is_found_everywhere, within=60, what="each pod finds what is stored")
        with load(url, lambda _: question, clients=1, pause=0.5) as state:
            started = time.monotonic()
            operations = [send(client, parcels(first, BATCH)) for first in (FIRST, FIRST + BATCH)]
            with step(f"{len(operations) * BATCH} turns at once: a GPU pod is wanted"):
                # The operator looks every 30 s, and passes over a pod that is too busy to answer it.
                kube.eventually(lambda: wanted() == 1, within=150, what="one GPU pod wanted")
            with step("it encodes"):
                kube.eventually(lambda: encoded("pods") > 0, within=300, what="texts encoded by it")
            FIGURES["backlog to texts from a GPU pod, s"] = round(time.monotonic() - started, 1)
            (pod,) = gpu_pods()
            assert pod["spec"]["nodeName"] == node
            assert pod["spec"]["containers"][0]["resources"]["limits"][GPU] == "1"
            with step("its node is taken away in the middle: nothing is lost"):
                lost, before = time.monotonic(), encoded("here")
                kube.kubectl("delete", "pod", pod["metadata"]["name"], "-n", WHERE, "--grace-period=0", "--force")
                kube.eventually(lambda: encoded("here") > before, within=30, what="texts encoded by processors again")
                FIGURES["GPU pod lost to texts from processors, s"] = round(time.monotonic() - lost, 1)
                kube.eventually(lambda: encoded("here") > before + 100, within=60, what="a hundred of them")
            with step("another GPU pod comes: it encodes again"):
                operations.append(send(client, parcels(FIRST + 2 * BATCH, BATCH // 2)))
                kube.eventually(lambda: pod_urls(WHERE, f"{OWN}=embedding"), within=300, what="another pod, Ready")
                # By now the first one's last answers are counted.
                by_first_pod = encoded("pods")
                kube.eventually(lambda: encoded("pods") > by_first_pod, within=120, what="texts encoded by it")
                FIGURES["GPU pod lost to texts from another, s"] = round(time.monotonic() - lost, 1)
            for operation in operations:
                assert finish(client, operation, within=400)["state"] == "Succeeded"
        FIGURES["backlog done, s"] = round(time.monotonic() - started, 1)
        FIGURES["searches during the backlog"] = {"answered": state.answered, "failed": state.failed}
        assert state.failed == []
    figures = {"entries": FIRST + 2 * BATCH + BATCH // 2, "pendingTurns": 0}
    with step("the status tells of all that was sent"):
        kube.eventually(lambda: status().items() >= figures.items(), within=120, what=f"{figures} in the status")
    with step("idle: no GPU pod"):
        kube.eventually(lambda: wanted() == 0 and not gpu_pods(), within=120, what="no GPU pod")
    kube.eventually(lambda: gpu_hours() > 0, within=120, what="the hours of the GPU in the store's cost")

"""The quick start's blocks for EKS, GKE and AKS, as they stand there, on nodes labelled and tainted as theirs are."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import NODES, Fleet, eventually
from tests.harness.build import ensure
from tests.harness.kwok import GPU, FakeNode

ROOT = Path(__file__).resolve().parents[2]
WHERE = "default"
"""Namespace that a reader's kubectl talks to."""
PRESENT = {GPU: "present"}
EKS = {"node.kubernetes.io/instance-type": "g4dn.xlarge"}
GKE = {"cloud.google.com/gke-accelerator": "nvidia-tesla-t4"}
AKS = {"kubernetes.azure.com/accelerator": "nvidia", "node.kubernetes.io/instance-type": "Standard_NC4as_T4_v3"}
AKS_TAINTS = {"sku": "gpu"}
CLOUDS = {
    "EKS": (
        FakeNode("eks-asked", "zone-a", 1, EKS | {"eks.amazonaws.com/capacityType": "ON_DEMAND"}, PRESENT),
        FakeNode("eks-spot", "zone-b", 1, EKS | {"eks.amazonaws.com/capacityType": "SPOT"}, PRESENT),
    ),
    "GKE": (
        FakeNode("gke-asked", "zone-a", 1, GKE, PRESENT),
        FakeNode(
            "gke-spot", "zone-b", 1,
            GKE | {"cloud.google.com/gke-spot": "true"}, PRESENT | {"cloud.google.com/gke-spot": "true"},
        ),
    ),
    "AKS": (
        FakeNode("aks-asked", "zone-a", 1, AKS, AKS_TAINTS),
        FakeNode(
            "aks-spot", "zone-b", 1,
            AKS | {"kubernetes.azure.com/scalesetpriority": "spot"},
            AKS_TAINTS | {"kubernetes.azure.com/scalesetpriority": "spot"},
        ),
    ),
}  # fmt: skip
"""GPU nodes of each cloud, as the cloud labels and taints them."""


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest, fleet: Fleet) -> Iterator[str]:
    """A cloud whose nodes are the only ones with a GPU, and a store's Secret; a backlog wants the GPUs."""
    plane, nodes = fleet.plane, CLOUDS[request.param]
    fleet.kwok.add_nodes(nodes)
    others = [node.name for node in NODES if node.gpus]
    plane.kubectl("cordon", *others)
    storage_class = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "gp2"}}
    storage_class |= {"provisioner": "kubernetes.io/no-provisioner"}
    plane.kubectl("create", "-f", "-", stdin=json.dumps(storage_class))
    keys = ("--from-literal=AWS_ACCESS_KEY_ID=a", "--from-literal=AWS_SECRET_ACCESS_KEY=b")
    plane.kubectl("create", "secret", "generic", "bucket-keys", "-n", WHERE, *keys)
    fleet.answerer.more_figures[WHERE] = {"pending_turns": 10**6, "oldest_pending_seconds": 5}
    yield request.param
    del fleet.answerer.more_figures[WHERE]
    plane.kubectl("delete", "memorystores", "--all", "-n", WHERE)
    eventually(lambda: not listed(fleet, "pods", f"-n={WHERE}"), within=60)
    plane.kubectl("delete", "secret", "bucket-keys", "-n", WHERE)
    plane.kubectl("delete", "storageclass", "gp2")
    plane.kubectl("delete", "node", *(node.name for node in nodes))
    plane.kubectl("uncordon", *others)


def listed(fleet: Fleet, kind: str, *flags: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(fleet.plane.kubectl("get", kind, *flags, "-o", "json"))["items"]
    return found


def run_block(fleet: Fleet, cloud: str) -> None:
    """The commands of a cloud's part of the quick start, in a reader's shell."""
    part = (ROOT / "docs" / "quick-start.md").read_text().split(f"## {cloud}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", part, flags=re.DOTALL)
    path = f"{ensure(['kubectl'])['kubectl'].parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "KUBECONFIG": str(fleet.plane.kubeconfig)}
    done = subprocess.run(
        ["/bin/sh", "-ec", block], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_block_of_a_cloud_brings_a_store_whose_gpu_pod_runs_on_a_spot_node(fleet: Fleet, cloud: str) -> None:
    run_block(fleet, cloud)
    (name,) = (store["metadata"]["name"] for store in listed(fleet, "memorystores", f"-n={WHERE}"))

    def placed() -> list[str]:
        pods = listed(fleet, "pods", f"-n={WHERE}", "-l=app.kubernetes.io/component=embedding")
        return [pod["spec"]["nodeName"] for pod in pods if "nodeName" in pod["spec"]]

    assert eventually(placed, within=60) == [f"{cloud.lower()}-spot"]
    wait = ("wait", "--for=condition=Ready", f"memorystore/{name}", "-n", WHERE, "--timeout=60s")
    fleet.plane.kubectl(*wait)
    defaults = [
        found["metadata"]["name"]
        for found in listed(fleet, "storageclasses")
        if found["metadata"].get("annotations", {}).get("storageclass.kubernetes.io/is-default-class") == "true"
    ]
    assert ("gp2" in defaults) == (cloud == "EKS")

"""The five tiers, placed by the real scheduler on nodes on paper: six for all, and three with T4 cards, in three zones.

The samples of `manifests/` are applied as they are, in a namespace of the test.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Fleet, Space, eventually
from tests.cluster.test_tier_changes import CHILDREN, CLAIM
from tests.harness.kwok import FakeNode

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
TIERS = {
    "minimal": ("notes", {"retrieval": 1}),
    "cost-effective": ("team", {"retrieval": 1}),
    "gpu-accelerated": ("product", {"retrieval": 3, "ingest": 1, "embedding": 1}),
    "enterprise": ("corporate", {"retrieval": 6, "ingest": 1, "embedding": 3, "redis": 3}),
    "hybrid": ("private", {"retrieval": 1, "embedding": 1}),
}
"""Store and pods of each sample, with a backlog that wants every GPU."""
BACKUPS = {"team": "STANDARD_IA", "private": "GLACIER"}
"""Stores whose samples ask for copies, and the class of those."""
ON_BUCKETS = {"product", "corporate"}
SIZES = {"a": ("512", "2Ti"), "b": ("8", "32Gi"), "c": ("8", "32Gi")}
"""Processors and memory of nodes in a zone that attracts pods, and in two others."""
SPOT_TAINTS = {"cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority"}


def pods(space: Space, store: str) -> list[dict[str, Any]]:
    selector = f"app.kubernetes.io/instance={store}"
    found: list[dict[str, Any]] = json.loads(space.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def component(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["labels"]["app.kubernetes.io/component"])


def node_of(pod: dict[str, Any]) -> str:
    return str(pod["spec"].get("nodeName", ""))


@pytest.fixture
def city(town: Space, fleet: Fleet) -> Space:
    """A namespace with the Secrets that the samples name, whose stores have much to embed."""
    fleet.answerer.more_figures[town.name] = {"pending_turns": 10**6, "oldest_pending_seconds": 5}
    town.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    town.secret("corporate-tokens", assistant="token")
    return town


def test_every_tier_is_placed_where_it_says(city: Space) -> None:
    for name in TIERS:
        text = (MANIFESTS / f"{name}.yaml").read_text().replace("namespace: default", f"namespace: {city.name}")
        city.kubectl("apply", "--server-side", "-f", "-", stdin=text)

    def placed() -> bool:
        return all(
            Counter(component(pod) for pod in pods(city, store) if node_of(pod)) == wanted
            for store, wanted in TIERS.values()
        )

    eventually(placed, within=90, every=1)
    for store, _ in TIERS.values():
        for pod in pods(city, store):
            is_gpu = component(pod) == "embedding"
            assert node_of(pod).startswith("gpu-" if is_gpu else "cpu-"), (store, component(pod), node_of(pod))
            limits = pod["spec"]["containers"][0]["resources"]["limits"]
            assert limits.get("nvidia.com/gpu") == ("1" if is_gpu else None)
            tolerated = {toleration.get("key") for toleration in pod["spec"].get("tolerations", [])}
            assert (tolerated >= SPOT_TAINTS) == is_gpu
    answering = [pod for pod in pods(city, "corporate") if component(pod) == "retrieval"]
    # node cpu-a1 lies in zone a
    assert Counter(node_of(pod)[4] for pod in answering) == {"a": 2, "b": 2, "c": 2}
    assert len({node_of(pod) for pod in answering}) == 6
    caches = [node_of(pod) for pod in pods(city, "corporate") if component(pod) == "redis"]
    assert len(set(caches)) == 3
    stores = [store for store, _ in TIERS.values()]
    assert city.names() == {
        child.replace("notes", store, 1)
        for store in stores
        for child in (
            *CHILDREN[city.settled(store)["status"]["tier"]],
            *(set() if store in ON_BUCKETS else CLAIM),
            *({"CronJob/notes-backup"} if store in BACKUPS else ()),
        )
    }
    for store, storage_class in BACKUPS.items():
        config = json.loads((city.get("configmap", f"{store}-config") or {})["data"]["store.json"])
        assert config["backup"]["s3"]["storageClass"] == storage_class
    eventually(lambda: all(city.ready(store).get("status") == "True" for store in stores), within=60, every=0.5)


def test_gpu_pods_wait_without_holding_up_the_store(city: Space) -> None:
    no_node = {"nodeSelector": {"cloud.google.com/gke-accelerator": "nvidia-h100-80gb"}, "maxReplicas": 1}
    city.store(tier="Hybrid", embedding={"gpu": no_node})

    def is_told() -> bool:
        message = city.condition("EmbeddingReady").get("message", "")
        return "0 of 1 GPU pods ready" in message and "Unschedulable" in message

    eventually(is_told, within=60)
    eventually(lambda: city.ready().get("status") == "True")


def test_a_gpu_pod_whose_spot_node_is_taken_away_comes_back_on_another(city: Space, fleet: Fleet) -> None:
    city.store(tier="Hybrid", embedding={"gpu": {"maxReplicas": 1}})

    def gpu_node() -> str:
        return next((node_of(pod) for pod in pods(city, "notes") if component(pod) == "embedding"), "")

    lost = eventually(gpu_node, within=60)
    eventually(lambda: "1 of 1 GPU pods ready" in city.condition("EmbeddingReady").get("message", ""), within=60)
    node = json.loads(fleet.plane.kubectl("get", "node", lost, "-o", "json"))
    fleet.plane.kubectl("delete", "node", lost)
    try:
        # The pods of a node that is gone are collected after 40 s or so.
        other = eventually(lambda: (found := gpu_node()) != lost and found, within=120, every=0.5)
        assert other.startswith("gpu-")
        eventually(lambda: "1 of 1 GPU pods ready" in city.condition("EmbeddingReady").get("message", ""), within=60)
        assert city.ready()["status"] == "True"
    finally:
        fresh = {key: node["metadata"][key] for key in ("name", "labels", "annotations")}
        fleet.plane.kubectl("create", "-f", "-", stdin=json.dumps({**node, "metadata": fresh}))


def test_a_slice_of_a_gpu_is_asked_for_by_its_name(city: Space, fleet: Fleet) -> None:
    part = "nvidia.com/mig-1g.5gb"
    slices = {"op": "add", "path": "/status/allocatable/nvidia.com~1mig-1g.5gb", "value": "2"}
    fleet.plane.kubectl("patch", "node", "gpu-b1", "--subresource=status", "--type=json", "-p", json.dumps([slices]))
    city.store(tier="Hybrid", embedding={"gpu": {"resourceName": part, "minReplicas": 1, "maxReplicas": 1}})

    def placed() -> list[dict[str, Any]]:
        return [pod for pod in pods(city, "notes") if component(pod) == "embedding" and node_of(pod)]

    (pod,) = eventually(placed, within=60)
    assert node_of(pod) == "gpu-b1"
    limits = pod["spec"]["containers"][0]["resources"]["limits"]
    assert (limits.get(part), limits.get("nvidia.com/gpu")) == ("1", None)


@pytest.fixture
def lopsided(fleet: Fleet) -> Iterator[dict[str, str]]:
    """The label of two nodes in each of those zones, which are there for the test."""
    labels = {"harness.simplemem.io/lopsided": "true"}
    nodes = [
        FakeNode(f"{zone}{number}-lopsided", f"zone-{zone}", cpu=cpu, memory=memory, labels=labels)
        for zone, (cpu, memory) in SIZES.items()
        for number in (1, 2)
    ]
    fleet.kwok.add_nodes(nodes)
    yield labels
    fleet.plane.kubectl("delete", "node", *(node.name for node in nodes))


def test_answering_pods_are_spread_over_zones_though_one_has_more_room(city: Space, lopsided: dict[str, str]) -> None:
    """The scheduler of the tests spreads nothing by itself: pods that ask for no spread go where most room is."""

    def nodes(label: str) -> Counter[str]:
        found = json.loads(city.kubectl("get", "pods", "-l", label, "-o", "json"))["items"]
        return Counter(node_of(pod)[:2] for pod in found if node_of(pod))

    resources = {"requests": {"cpu": "500m", "memory": "1Gi"}}
    container = {"name": "main", "image": "any", "resources": resources}
    pod = {"metadata": {"labels": {"is": "plain"}}, "spec": {"containers": [container], "nodeSelector": lopsided}}
    plain = {"replicas": 6, "selector": {"matchLabels": {"is": "plain"}}, "template": pod}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "plain"}, "spec": plain}
    city.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    placed = eventually(lambda: (found := nodes("is=plain")).total() == 6 and found, within=60)
    assert {node[0] for node in placed} == {"a"}
    city.kubectl("delete", "deployment", "plain", "--cascade=foreground", "--timeout=60s")
    storage = {"s3": {"bucket": "memories", "credentialsSecretName": "bucket-keys"}}
    city.store(tier="Enterprise", storage=storage, pods={"nodeSelector": lopsided, "resources": resources})
    answering = "app.kubernetes.io/instance=notes,app.kubernetes.io/component=retrieval"
    eventually(lambda: nodes(answering) == dict.fromkeys(("a1", "a2", "b1", "b2", "c1", "c2"), 1), within=60)

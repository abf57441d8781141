"""Every tier becomes every other on a live store: 20 edits of one store that holds data, on nodes on paper.

After each edit the store has exactly the children of its tier, and of copies where it has them. An edit that would move
the data waits until it is told to move, and meanwhile everything else of it is in force. The claim of the volume is
never deleted.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from tests.cluster.conftest import Fleet, Space, eventually

VOLUME = "pvc"
COMMON = {
    "ServiceAccount/notes", "ConfigMap/notes-config", "NetworkPolicy/notes", "Service/notes",
    "Deployment/notes-retrieval",
}  # fmt: skip
CLAIM = {"PersistentVolumeClaim/notes-data"}
GPU = {"StatefulSet/notes-embedding", "Service/notes-embedding"}
SCALED = {
    "Deployment/notes-ingest", "PodDisruptionBudget/notes-retrieval", "HorizontalPodAutoscaler/notes-retrieval",
}  # fmt: skip
CACHE = {"StatefulSet/notes-redis", "Service/notes-redis", "ConfigMap/notes-redis"}
CHILDREN = {
    "Minimal": COMMON,
    "CostEffective": COMMON,
    "Hybrid": COMMON | GPU,
    "GPUAccelerated": COMMON | GPU | SCALED,
    "Enterprise": COMMON | GPU | SCALED | CACHE,
}
COPIES = {"s3": {"bucket": "copies", "credentialsSecretName": "bucket-keys"}}
ON_A_BUCKET = {"GPUAccelerated", "Enterprise"}


def every_change() -> list[tuple[str, str]]:
    """All pairs of different tiers, one after the other: each begins where the one before ended."""
    left = {old: [new for new in CHILDREN if new != old] for old in CHILDREN}
    path, stack = [], ["Minimal"]
    while stack:
        if left[stack[-1]]:
            stack.append(left[stack[-1]].pop())
        else:
            path.append(stack.pop())
    path.reverse()
    return list(itertools.pairwise(path))


def storage_in_use(space: Space) -> str:
    found = space.get("configmap", "notes-config") or {}
    storage: dict[str, Any] = json.loads(found["data"]["store.json"])["storage"]
    return str(storage["kind"])


def test_every_tier_becomes_every_other(town: Space) -> None:
    town.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    bucket = f"s3://memories/{town.name}/notes"
    changes = every_change()
    assert len(set(changes)) == 20

    def apply(tier: str, *, is_copied: bool) -> None:
        s3 = {"storage": {"s3": {"bucket": "memories", "credentialsSecretName": "bucket-keys"}}}
        volume = {"storage": {"pvc": {"size": "100Gi"}}}
        spec: dict[str, Any] = s3 if tier in ON_A_BUCKET else volume
        copies: dict[str, Any] = {"backup": COPIES} if is_copied else {}
        town.store(tier=tier, **spec, **copies)

    apply("Minimal", is_copied=False)
    eventually(lambda: town.ready().get("status") == "True", within=60)
    claim = (town.get("pvc", "notes-data") or {})["metadata"]["uid"]
    for number, (old, new) in enumerate(changes):
        is_copied = number % 2 == 0
        apply(new, is_copied=is_copied)
        if (old in ON_A_BUCKET) != (new in ON_A_BUCKET):
            eventually(lambda: town.condition("StorageReady").get("reason") == "MigrationRequired")
            assert storage_in_use(town) == ("S3" if old in ON_A_BUCKET else "PVC"), (old, new)
            assert (town.settled()["status"]["tier"], town.ready()["reason"]) == (new, "MigrationRequired"), (
                town.ready()
            )
            place = bucket if new in ON_A_BUCKET else VOLUME
            assert place in town.condition("StorageReady")["message"]
            town.patch("smem", "notes", {"metadata": {"annotations": {"simplemem.io/move-storage-to": place}}})
        wanted = CHILDREN[new] | CLAIM | ({"CronJob/notes-backup"} if is_copied else set())
        eventually(lambda wanted=wanted: town.names() == wanted)  # type: ignore[misc]
        assert town.settled()["status"]["tier"] == new
        assert storage_in_use(town) == ("S3" if new in ON_A_BUCKET else "PVC"), (old, new)
    assert (town.get("pvc", "notes-data") or {})["metadata"]["uid"] == claim
    eventually(lambda: town.ready().get("status") == "True", within=60)


def test_a_store_whose_first_turns_are_newer_than_its_status_does_not_leave_them_behind(
    town: Space, fleet: Fleet
) -> None:
    fleet.answerer.more_figures[town.name] = {"entries": 0}
    town.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    town.store(tier="Minimal")
    eventually(lambda: town.ready().get("status") == "True", within=60)
    assert (town.get("smem", "notes") or {})["status"]["entries"] == 0
    # Turns come now, and no look at the pods has told of them.
    town.store(tier="CostEffective", storage={"s3": {"bucket": "memories", "credentialsSecretName": "bucket-keys"}})
    eventually(lambda: town.condition("StorageReady").get("reason") == "MigrationRequired")
    assert storage_in_use(town) == "PVC"


def test_a_volume_that_cannot_grow_serves_on_and_the_rest_of_the_edit_is_in_force(town: Space) -> None:
    town.store(tier="Minimal")
    eventually(lambda: town.ready().get("status") == "True", within=60)
    town.store(tier="Hybrid")
    eventually(lambda: town.names() == CHILDREN["Hybrid"] | CLAIM)
    eventually(lambda: town.ready().get("status") == "False")
    assert "must support resize" in town.ready()["message"]
    assert town.ready()["reason"] != "Forbidden"
    deployment = town.get("deployment", "notes-retrieval") or {}
    env = {found["name"] for found in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert "SIMPLEMEM_EMBEDDING_URLS" in env
    town.store(tier="Hybrid", storage={"pvc": {"size": "50Gi"}})
    eventually(lambda: town.ready().get("status") == "True", within=60)


def test_a_volume_of_a_class_that_can_grow_grows(town: Space) -> None:
    growing = {"kind": "StorageClass", "apiVersion": "storage.k8s.io/v1", "metadata": {"name": "growing"}}
    town.kubectl(
        "apply", "--server-side", "-f", "-",
        stdin=json.dumps({**growing, "provisioner": "kubernetes.io/no-provisioner", "allowVolumeExpansion": True}),
    )  # fmt: skip
    volume = {"kind": "PersistentVolume", "apiVersion": "v1", "metadata": {"name": f"{town.name}-growing"}}
    spec = {
        "capacity": {"storage": "20Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "growing",
        "hostPath": {"path": "/paper"},
    }  # fmt: skip
    town.kubectl("create", "-f", "-", stdin=json.dumps({**volume, "spec": spec}))
    town.store(tier="Minimal", storage={"pvc": {"size": "10Gi", "storageClassName": "growing"}})
    eventually(lambda: town.ready().get("status") == "True", within=60)
    before = (town.get("deployment", "notes-retrieval") or {})["metadata"]["generation"]
    town.patch("smem", "notes", {"spec": {"storage": {"pvc": {"size": "30Gi"}}}})

    def wanted() -> str:
        return str((town.get("pvc", "notes-data") or {})["spec"]["resources"]["requests"]["storage"])

    eventually(lambda: wanted() == "30Gi")
    town.rest()
    assert town.ready()["status"] == "True"
    assert (town.get("deployment", "notes-retrieval") or {})["metadata"]["generation"] == before

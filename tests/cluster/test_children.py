"""The children follow the spec, whatever somebody else does to them."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from tests.cluster.conftest import Space, eventually
from tests.harness.operator import Operator

S3 = {"s3": {"bucket": "memories", "credentialsSecretName": "bucket-keys"}}
ON_A_VOLUME = {
    "ServiceAccount/notes", "ConfigMap/notes-config", "NetworkPolicy/notes", "Service/notes",
    "PersistentVolumeClaim/notes-data", "Deployment/notes-retrieval",
}  # fmt: skip
ON_S3 = (ON_A_VOLUME - {"PersistentVolumeClaim/notes-data"}) | {"Deployment/notes-ingest"}
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


def replicas(space: Space) -> int:
    deployment = space.get("deployment", "notes-retrieval")
    return int(deployment["spec"]["replicas"]) if deployment else -1


def test_a_store_on_a_volume_has_exactly_its_children(space: Space) -> None:
    space.store(tier="Minimal")
    eventually(lambda: space.names() == ON_A_VOLUME)
    status = space.settled()["status"]
    assert (status["tier"], status["cost"]["monthlyUSD"]) == ("Minimal", "32.84")
    assert status["endpoint"] == f"http://notes.{space.name}.svc"
    assert {found["type"] for found in status["conditions"]} >= {
        "Ready",
        "StorageReady",
        "EmbeddingReady",
        "RetrievalReady",
    }


def test_a_store_on_s3_has_a_writer_and_readers(space: Space) -> None:
    space.secret("bucket-keys", **KEYS)
    space.store(storage=S3, retrieval={"replicas": 2})
    eventually(lambda: space.names() == ON_S3 | {"PodDisruptionBudget/notes-retrieval"})
    assert replicas(space) == 2


def test_a_missing_secret_is_named_and_holds_the_pods_back_until_it_appears(space: Space) -> None:
    space.store(storage=S3)
    eventually(lambda: space.ready().get("reason") == "SecretMissing")
    assert "bucket-keys" in space.ready()["message"]
    assert "Deployment/notes-retrieval" not in space.names()
    space.secret("bucket-keys", AWS_ACCESS_KEY_ID="a")
    eventually(lambda: space.ready().get("reason") == "SecretKeyMissing")
    assert "AWS_SECRET_ACCESS_KEY" in space.ready()["message"]
    space.secret("bucket-keys", **KEYS)
    eventually(lambda: space.names() == ON_S3)


def test_a_rotated_secret_rolls_the_pods_and_shows_nowhere(space: Space) -> None:
    space.secret("bucket-keys", **KEYS)
    space.store(storage=S3)

    def template() -> str:
        deployment = space.get("deployment", "notes-retrieval")
        return json.dumps(deployment["spec"]["template"], sort_keys=True) if deployment else ""

    before = eventually(template)
    space.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="rotated-value")
    eventually(lambda: template() != before)
    everything = space.kubectl("get", "smem,deployment,configmap,events", "-o", "json")
    assert "rotated-value" not in everything


def test_three_quick_edits_end_in_the_last(space: Space) -> None:
    space.secret("bucket-keys", **KEYS)
    space.store(storage=S3)
    for number in (2, 3, 4):
        space.patch("smem", "notes", {"spec": {"retrieval": {"replicas": number}}})
    eventually(lambda: replicas(space) == 4)
    assert space.settled()["status"]["observedGeneration"] == 4


def test_what_was_deleted_or_edited_by_hand_is_repaired(space: Space) -> None:
    space.store(tier="Minimal")
    eventually(lambda: space.names() == ON_A_VOLUME)
    space.kubectl("delete", "service", "notes")
    space.kubectl("delete", "deployment", "notes-retrieval")
    space.patch("configmap", "notes-config", {"data": {"store.json": "{}"}})
    eventually(lambda: space.names() == ON_A_VOLUME)

    def is_repaired() -> bool:
        found = space.get("configmap", "notes-config")
        return found is not None and found["data"]["store.json"] != "{}"

    eventually(is_repaired)


def test_our_label_that_leaves_the_spec_leaves_the_child_and_others_stay(space: Space) -> None:
    space.store(tier="Minimal", pods={"annotations": {"ours": "1"}})
    eventually(lambda: space.names() == ON_A_VOLUME)
    space.patch("deployment", "notes-retrieval", {"spec": {"template": {"metadata": {"annotations": {"theirs": "2"}}}}})
    space.patch("deployment", "notes-retrieval", {"metadata": {"annotations": {"theirs": "3"}}})
    space.patch("smem", "notes", {"spec": {"pods": {"annotations": None}}})

    def annotations() -> dict[str, Any]:
        found = space.get("deployment", "notes-retrieval")
        return found["spec"]["template"]["metadata"]["annotations"] if found else {}

    eventually(lambda: "ours" not in annotations())
    assert annotations()["theirs"] == "2"
    found = space.get("deployment", "notes-retrieval")
    assert found is not None
    assert found["metadata"]["annotations"]["theirs"] == "3"
    managers = json.loads(space.kubectl("get", "deployment", "notes-retrieval", "-o", "json", "--show-managed-fields"))
    entries = managers["metadata"]["managedFields"]
    assert [entry["operation"] for entry in entries if entry["manager"] == "simplemem-operator"] == ["Apply"]


def test_a_foreign_object_is_never_adopted(space: Space) -> None:
    space.kubectl("create", "configmap", "notes-config", "--from-literal=mine=1")
    space.store(tier="Minimal")
    eventually(lambda: space.ready().get("reason") == "ForeignObject")
    assert "ConfigMap/notes-config" in space.ready()["message"]
    found = space.get("configmap", "notes-config")
    assert found is not None
    assert found["data"] == {"mine": "1"}
    space.kubectl("delete", "configmap", "notes-config")
    eventually(lambda: space.names() == ON_A_VOLUME)


def test_an_autoscalers_number_is_never_fought_over(space: Space) -> None:
    space.secret("bucket-keys", **KEYS)
    space.store(storage=S3, retrieval={"replicas": 3})
    eventually(lambda: replicas(space) == 3)
    scaling = {"minReplicas": 2, "maxReplicas": 8}
    space.patch("smem", "notes", {"spec": {"autoscaling": scaling}})
    eventually(lambda: "HorizontalPodAutoscaler/notes-retrieval" in space.names())
    space.settled()
    assert replicas(space) == 3
    space.kubectl("scale", "deployment", "notes-retrieval", "--replicas=4")
    for number in range(3):
        space.patch("smem", "notes", {"spec": {"retrieval": {"topK": 11 + number}}})
        space.settled()
    time.sleep(1)
    assert replicas(space) == 4
    space.patch("smem", "notes", {"spec": {"autoscaling": None}})
    eventually(lambda: replicas(space) == 3)
    assert "HorizontalPodAutoscaler/notes-retrieval" not in space.names()


def test_the_number_that_an_autoscaler_leaves_stays_until_the_spec_names_one(space: Space) -> None:
    scaling = {"minReplicas": 2, "maxReplicas": 8}
    space.secret("bucket-keys", **KEYS)
    space.store(storage=S3, autoscaling=scaling)
    eventually(lambda: "HorizontalPodAutoscaler/notes-retrieval" in space.names())
    space.kubectl("scale", "deployment", "notes-retrieval", "--replicas=4")
    eventually(lambda: replicas(space) == 4)
    written = len(space.writes())
    space.patch("smem", "notes", {"spec": {"autoscaling": None}})
    eventually(lambda: "HorizontalPodAutoscaler/notes-retrieval" not in space.names())
    space.rest()
    assert replicas(space) == 4
    assert len([line for line in space.writes()[written:] if "deployments/notes-retrieval" in line]) == 1
    # From now on it is the operator's: a hand that changes it is corrected, and rest and waking change nothing.
    space.kubectl("scale", "deployment", "notes-retrieval", "--replicas=7")
    eventually(lambda: replicas(space) == 4)
    space.patch("smem", "notes", {"spec": {"suspend": True}})
    eventually(lambda: replicas(space) == 0)
    space.patch("smem", "notes", {"spec": {"suspend": False}})
    eventually(lambda: replicas(space) == 4)
    space.patch("smem", "notes", {"spec": {"retrieval": {"replicas": 3}}})
    eventually(lambda: replicas(space) == 3)
    space.patch("smem", "notes", {"spec": {"retrieval": {"replicas": None}}})
    eventually(lambda: replicas(space) == 1)


def test_suspending_stops_the_pods_and_keeps_the_data(space: Space) -> None:
    space.store(tier="Minimal")
    eventually(lambda: replicas(space) == 1)
    space.patch("smem", "notes", {"spec": {"suspend": True}})
    eventually(lambda: replicas(space) == 0)
    eventually(lambda: space.ready().get("reason") == "Suspended")
    assert "PersistentVolumeClaim/notes-data" in space.names()
    space.patch("smem", "notes", {"spec": {"suspend": False}})
    eventually(lambda: replicas(space) == 1)


def test_moving_to_s3_prunes_what_is_not_wanted_and_keeps_the_volume(space: Space) -> None:
    space.secret("bucket-keys", **KEYS)
    space.store(tier="CostEffective")
    eventually(lambda: space.names() == ON_A_VOLUME)
    space.store(tier="CostEffective", storage=S3)
    eventually(lambda: space.names() == ON_S3 | {"PersistentVolumeClaim/notes-data"})
    space.store(tier="CostEffective")
    eventually(lambda: space.names() == ON_A_VOLUME)


@pytest.mark.parametrize(("policy", "left"), [("Retain", {"PersistentVolumeClaim/notes-data"}), ("Delete", set())])
def test_deleting_a_store_treats_its_volume_as_the_policy_says(space: Space, policy: str, left: set[str]) -> None:
    space.store(tier="Minimal", storage={"deletionPolicy": policy})
    eventually(lambda: space.names() == ON_A_VOLUME)
    space.settled()
    assert "finalizers" not in (space.get("smem", "notes") or {})["metadata"]
    space.kubectl("delete", "smem", "notes", "--timeout=10s")
    eventually(lambda: space.names() == left)


def test_a_store_of_the_same_name_takes_up_the_retained_volume(space: Space) -> None:
    space.store(tier="Minimal", storage={"pvc": {"size": "20Gi"}})
    eventually(lambda: space.names() == ON_A_VOLUME)
    space.kubectl("delete", "smem", "notes", "--timeout=10s")
    eventually(lambda: space.names() == {"PersistentVolumeClaim/notes-data"})
    space.store(tier="Minimal", storage={"pvc": {"size": "10Gi"}})
    eventually(lambda: space.names() == ON_A_VOLUME)
    claim = space.get("pvc", "notes-data")
    assert claim is not None
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"


def test_a_namespace_goes_with_its_stores(space: Space) -> None:
    space.store(tier="Minimal")
    eventually(lambda: space.names() == ON_A_VOLUME)
    space.plane.kubectl("delete", "namespace", space.name, "--wait=false")
    eventually(
        lambda: not space.plane.kubectl("get", "namespace", space.name, "--ignore-not-found"), within=60, every=1
    )


def test_a_condition_of_another_writer_survives(space: Space) -> None:
    space.store(tier="Minimal")
    space.settled()
    audited = {
        "type": "Audited",
        "status": "True",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "reason": "Ok",
        "message": "",
    }
    body = {
        "apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore", "metadata": {"name": "notes"},
        "status": {"conditions": [audited]},
    }  # fmt: skip
    flags = ["--server-side", "--subresource=status", "--field-manager=auditor"]
    space.kubectl("apply", *flags, "-f", "-", stdin=json.dumps(body))
    space.patch("smem", "notes", {"spec": {"suspend": True}})
    eventually(lambda: space.ready().get("reason") == "Suspended")
    assert space.condition("Audited")["status"] == "True"


def test_a_store_on_lancedb_cloud_names_what_it_lacks_and_then_runs(space: Space) -> None:
    cloud = {"uri": "db://x", "apiKeySecretName": "k", "plan": "Growth"}
    space.secret("k", OTHER="x")
    space.store(tier="Enterprise", storage={"lanceDBCloud": cloud})
    eventually(lambda: "'LANCEDB_API_KEY'" in space.ready().get("message", ""))
    space.secret("k", LANCEDB_API_KEY="x")
    eventually(lambda: space.ready().get("reason") == "NotInForce")
    assert "storage.lanceDBCloud.journal is missing" in space.ready()["message"]
    assert space.get("deployment", "notes-ingest") is None
    journal = {"bucket": "journals", "credentialsSecretName": "b"}
    space.patch("smem", "notes", {"spec": {"storage": {"lanceDBCloud": {"journal": journal}}}})
    eventually(lambda: space.ready().get("reason") == "SecretMissing")
    space.secret("b", **KEYS)
    for name in ("notes-retrieval", "notes-ingest"):
        eventually(lambda name=name: space.get("deployment", name))  # type: ignore[misc]
        deployment = space.get("deployment", name)
        assert deployment is not None
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        env = {entry["name"]: entry.get("valueFrom") for entry in container["env"]}
        assert env["LANCEDB_API_KEY"] == {"secretKeyRef": {"name": "k", "key": "LANCEDB_API_KEY"}}
        assert env["AWS_ACCESS_KEY_ID"] == {"secretKeyRef": {"name": "b", "key": "AWS_ACCESS_KEY_ID"}}
    assert eventually(lambda: space.condition("WithinPlan"))["status"] == "Unknown"


def test_describe_and_get_read_well(space: Space) -> None:
    space.store(tier="Minimal")
    space.settled()
    table = space.kubectl("get", "smem")
    assert table.splitlines()[0].split() == ["NAME", "READY", "REASON", "TIER", "ENTRIES", "COST", "AGE"]
    assert "32.84" in table
    eventually(lambda: "VolumePending" in space.kubectl("describe", "smem", "notes").split("Events:")[1])


def test_the_operator_counts_what_it_does(space: Space, operator: Operator) -> None:
    space.store(tier="Minimal")
    space.settled()
    label = f'simplemem_operator_store_cost_usd{{name="notes",namespace="{space.name}"}}'
    assert operator.metrics("simplemem_operator_store_cost_usd")[label] == 32.84
    assert operator.metrics("simplemem_operator_stores")["simplemem_operator_stores"] >= 1
    assert operator.metrics("simplemem_operator_reconcile_seconds_count")


def lines_about(space: Space, operator: Operator) -> list[dict[str, Any]]:
    """What the operator's log says of a namespace."""
    lines = operator.process.log.read_text().splitlines()
    return [line for line in map(json.loads, lines) if space.name in json.dumps(line)]


def test_every_line_of_the_log_about_an_object_names_its_store_and_no_secret(space: Space, operator: Operator) -> None:
    space.secret("bucket-keys", AWS_ACCESS_KEY_ID="hunter22", AWS_SECRET_ACCESS_KEY="hunter23")
    space.store(storage=S3, autoscaling={"minReplicas": 2, "maxReplicas": 8})
    eventually(lambda: "HorizontalPodAutoscaler/notes-retrieval" in space.names())
    space.patch("smem", "notes", {"spec": {"autoscaling": None}})
    eventually(lambda: "HorizontalPodAutoscaler/notes-retrieval" not in space.names())
    space.settled()

    lines = lines_about(space, operator)
    assert {"applied", "deleted"} <= {line["message"] for line in lines}
    assert {line.get("store") for line in lines} == {f"{space.name}/notes"}
    for value in ("hunter22", "hunter23"):
        for text in (value, base64.b64encode(value.encode()).decode()):
            assert text not in operator.process.log.read_text()

"""A clean end of the stores of the main job."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.e2e import kube
from tests.e2e.stores import needs_node
from tests.harness.cluster import Cluster
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]


def objects(prefix: str) -> list[Path]:
    """What lies below a prefix of the bucket, as the files of the S3 server's volume."""
    (bucket,) = Cluster().paths.volumes.glob(f"*/{os.environ['E2E_S3_BUCKET']}")
    return [path for path in (bucket / prefix).rglob("*") if path.is_file()]


def test_the_bucket_is_empty_after_a_store_whose_policy_says_so() -> None:
    policy = json.dumps({"spec": {"storage": {"deletionPolicy": "Delete"}}})
    kube.kubectl("patch", "memorystore", "shared", "-n", "team-b", "--type=merge", "-p", policy)
    kube.eventually(lambda: kube.get("configmap", "shared-removal", "team-b"), within=60, what="the record")
    assert len(objects("team-b/shared")) > 10
    with step("delete team-b/shared: a Job of the cluster has removed its objects"):
        kube.kubectl("delete", "memorystore", "shared", "-n", "team-b", "--timeout=60s")
        try:
            kube.eventually(
                lambda: kube.get("configmap", "shared-removal", "team-b") is None, within=180, what="the record gone"
            )
        except AssertionError:
            print(kube.explain("team-b"), flush=True)
            raise
    assert objects("team-b/shared") == []
    reasons = {event["reason"] for event in kube.listed("events", "team-b")}
    assert "DataRemoved" in reasons
    assert "RemovalFailed" not in reasons


def test_deleting_the_stores_leaves_the_retained_volume_only() -> None:
    with step("delete the other store"):
        kube.kubectl("delete", "memorystore", "notes", "-n", "team-a", "--timeout=60s")

    def left() -> list[str]:
        kinds = "deployments,statefulsets,services,configmaps,serviceaccounts,networkpolicies,pods,pdb,hpa,pvc,jobs"
        own = "app.kubernetes.io/managed-by=simplemem-operator"
        return [
            f"{i['kind']}/{i['metadata']['name']}"
            for where in ("team-a", "team-b")
            for i in kube.listed(kinds, where, own)
        ]

    with step("their children are gone"):
        kube.eventually(
            lambda: left() == ["PersistentVolumeClaim/notes-data"], within=120, what="only the volume is left"
        )

"""A clean end of the stores of the main job."""

from __future__ import annotations

import pytest

from tests.e2e import kube
from tests.e2e.stores import needs_node
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]


def test_deleting_the_stores_leaves_the_retained_volume_only() -> None:
    with step("delete both stores"):
        kube.kubectl("delete", "memorystore", "notes", "-n", "team-a", "--timeout=60s")
        kube.kubectl("delete", "memorystore", "shared", "-n", "team-b", "--timeout=60s")

    def left() -> list[str]:
        kinds = "deployments,statefulsets,services,configmaps,serviceaccounts,networkpolicies,pods,pdb,hpa,pvc"
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

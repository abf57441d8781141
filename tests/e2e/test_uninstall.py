"""The end of the release; runs last."""

from __future__ import annotations

import json

import pytest

from tests.e2e import kube
from tests.e2e.stores import FIGURES, NAMESPACES, OPERATOR_NAMESPACE, needs_node
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]


def test_helm_uninstall_leaves_nothing_but_the_crd() -> None:
    with step("helm uninstall"):
        kube.run("helm", "uninstall", "simplemem", "-n", OPERATOR_NAMESPACE, "--wait")
    kinds = "clusterroles,clusterrolebindings"
    assert kube.listed(kinds, selector="app.kubernetes.io/instance=simplemem") == []
    kinds = "deployments,services,serviceaccounts,networkpolicies,configmaps"
    assert kube.listed(kinds, OPERATOR_NAMESPACE, "app.kubernetes.io/instance=simplemem") == []
    assert kube.get("crd", "memorystores.simplemem.io", "default") is not None
    with step("delete the namespaces and the CRD"):
        kube.kubectl("delete", "namespace", *NAMESPACES, OPERATOR_NAMESPACE, "--ignore-not-found", "--timeout=120s")
        kube.kubectl("delete", "crd", "memorystores.simplemem.io", "--timeout=60s")
    print(json.dumps(FIGURES, indent=2), flush=True)

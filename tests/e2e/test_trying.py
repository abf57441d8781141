"""`helm test`, as one runs it after an installation; needs the release of the main job."""

from __future__ import annotations

import time

import pytest

from tests.e2e import kube
from tests.e2e.stores import FIGURES, OPERATOR_NAMESPACE, needs_node
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]


def test_helm_test_makes_a_store_and_leaves_nothing_of_it() -> None:
    started = time.monotonic()
    try:
        with step("helm test"):
            said = kube.run("helm", "test", "simplemem", "-n", OPERATOR_NAMESPACE, "--timeout", "5m")
    except AssertionError:
        print(kube.kubectl("logs", "simplemem-test-run", "-n", OPERATOR_NAMESPACE, check=False), flush=True)
        print(kube.explain(OPERATOR_NAMESPACE), flush=True)
        raise
    FIGURES["helm test, s"] = round(time.monotonic() - started, 1)
    assert "Succeeded" in said

    def left() -> list[str]:
        kinds = "memorystores,pods,deployments,pvc,serviceaccounts,roles,rolebindings"
        found = kube.listed(kinds, OPERATOR_NAMESPACE)
        return [item["metadata"]["name"] for item in found if "simplemem-test" in item["metadata"]["name"]]

    kube.eventually(lambda: not left(), within=60, what="nothing is left of the test's store")

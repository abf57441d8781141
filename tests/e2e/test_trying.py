"""`helm test`, as one runs it after an installation; needs the release of the main job."""

from __future__ import annotations

import time

import pytest

from tests.e2e import kube
from tests.e2e.stores import FIGURES, OPERATOR_NAMESPACE, needs_node, store
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]


def test_helm_test_touches_no_store_of_somebody_else() -> None:
    kube.apply(store("simplemem-test", OPERATOR_NAMESPACE, tier="Minimal", suspend=True))
    with step("helm test beside a store of that name"), pytest.raises(AssertionError, match="simplemem-test"):
        kube.run("helm", "test", "simplemem", "-n", OPERATOR_NAMESPACE, "--timeout", "2m")
    assert "would delete it" in kube.kubectl("logs", "simplemem-test-run", "-n", OPERATOR_NAMESPACE)
    assert kube.get("memorystore", "simplemem-test", OPERATOR_NAMESPACE) is not None
    kube.kubectl("delete", "memorystore", "simplemem-test", "-n", OPERATOR_NAMESPACE, "--timeout=60s")
    with step("helm test beside the volume that it left"), pytest.raises(AssertionError, match="simplemem-test"):
        kube.run("helm", "test", "simplemem", "-n", OPERATOR_NAMESPACE, "--timeout", "2m")
    kube.kubectl("delete", "pvc", "simplemem-test-data", "-n", OPERATOR_NAMESPACE, "--timeout=60s")


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

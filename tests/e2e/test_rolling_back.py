"""A release goes to another version of the chart and back while stores serve; needs the release of the main job."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import kube
from tests.e2e.load import check_all_there_once, writing
from tests.e2e.stores import OPERATOR_NAMESPACE, namespace, needs_node, store, wait_ready
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]

CHART = Path(__file__).resolve().parents[2] / "charts" / "simplemem-operator"
OURS = "app.kubernetes.io/managed-by=simplemem-operator"
OLD_VERSION = "0.0.9"
WHERE, NAME = "team-b", "steady"


def make_older(folder: Path) -> Path:
    """The chart as it was before there was `spec.suspend`."""
    older = Path(shutil.copytree(CHART, folder / CHART.name))
    crd = older / "templates" / "crd-memorystore.yaml"
    text, dropped = re.subn(r"^( +)suspend:\n(?:\1 +.*\n)+", "", crd.read_text(), flags=re.MULTILINE)
    assert dropped == 1
    crd.write_text(text)
    about = older / "Chart.yaml"
    about.write_text(re.sub(r"^version: .*$", f"version: {OLD_VERSION}", about.read_text(), flags=re.MULTILINE))
    return older


def has_suspend() -> bool:
    """Whether the cluster's CRD knows the field that the older one lacks."""
    crd = json.loads(kube.kubectl("get", "crd", "memorystores.simplemem.io", "-o", "json"))
    return "suspend" in crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def serving() -> dict[str, Any]:
    """The stores' pods by identity with their restarts, and what each workload was last asked to be."""
    pods = {
        pod["metadata"]["uid"]: [one["restartCount"] for one in pod["status"].get("containerStatuses", ())]
        for pod in kube.listed("pods", selector=OURS)
        if pod["metadata"]["ownerReferences"][0]["kind"] != "Job"
    }
    kinds = kube.listed("deployments,statefulsets,services,configmaps", selector=OURS)
    return {"pods": pods} | {item["metadata"]["uid"]: item["metadata"].get("generation") for item in kinds}


def helm(*words: str) -> None:
    """A change of the release, to its end."""
    kube.run("helm", *words, "-n", OPERATOR_NAMESPACE, "--wait", "--timeout", "2m")


@pytest.fixture
def url() -> Iterator[str]:
    """Address of a store that is Ready."""
    kube.apply(namespace(WHERE))
    kube.apply(store(NAME, WHERE, tier="Minimal", storage={"pvc": {"size": "1Gi"}, "deletionPolicy": "Delete"}))
    with step(f"MemoryStore {WHERE}/{NAME}: Ready"):
        wait_ready(NAME, WHERE)
    yield kube.service_url(NAME, WHERE)
    kube.kubectl("delete", "memorystore", NAME, "-n", WHERE, "--timeout=60s")


def test_stores_serve_on_through_an_upgrade_and_back(url: str, tmp_path: Path) -> None:
    before = serving()
    assert before["pods"]
    with writing(url, "u", "during", pause=0.2) as written:
        with step(f"helm upgrade to a chart {OLD_VERSION}"):
            helm("upgrade", "simplemem", str(make_older(tmp_path)), "--reset-then-reuse-values")
        assert not has_suspend()
        revision = json.loads(kube.run("helm", "list", "-n", OPERATOR_NAMESPACE, "-o", "json"))[0]["revision"]
        with step("helm upgrade from there, with another log level"):
            helm("upgrade", "simplemem", str(CHART), "--reset-then-reuse-values", "--set", "logLevel=DEBUG")
        assert has_suspend()
        with step("helm rollback"):
            helm("rollback", "simplemem", revision)
        assert not has_suspend()
        with step("helm upgrade for good"):
            helm("upgrade", "simplemem", str(CHART), "--reset-then-reuse-values")
        assert has_suspend()
    assert written.failed == []
    assert len(written.acknowledged) > 20
    check_all_there_once(url, "u", written)
    for found in kube.listed("memorystores"):
        assert kube.condition(found, "Ready")["status"] == "True", found["status"]
    assert serving() == before

"""Nodes on paper: real pods of real Deployments are scheduled to them and become Ready."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest

from tests.harness.answerer import Answerer
from tests.harness.control_plane import ControlPlane
from tests.harness.kwok import FAULT, GPU, FakeNode, Kwok

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("plane")) as plane, Kwok(plane) as kwok:
        kwok.add_nodes([FakeNode("cpu-1", "zone-a"), FakeNode("gpu-1", "zone-b", gpus=1)])
        kwok.add_volumes(1)
        yield plane


def ask(url: str) -> dict[str, Any]:
    with urlopen(url, timeout=2) as answer:  # noqa: S310 - our own server
        found: dict[str, Any] = json.load(answer)
        return found


def pod(name: str, *, annotations: dict[str, str] | None = None, limits: dict[str, str] | None = None) -> str:
    container = {"name": "c", "image": "example.com/c:1", "resources": {"limits": limits or {}}}
    spec = {"containers": [container], "tolerations": [{"key": key, "operator": "Exists"} for key in limits or ()]}
    metadata = {"name": name, "annotations": annotations or {}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def test_a_pod_runs_on_a_node_without_a_taint(plane: ControlPlane) -> None:
    plane.kubectl("create", "-f", "-", stdin=pod("plain"))
    plane.kubectl("wait", "--for=condition=Ready", "pod/plain", "--timeout=30s")
    assert plane.kubectl("get", "pod", "plain", "-o", "jsonpath={.spec.nodeName}") == "cpu-1"


def test_a_pod_that_asks_for_it_finds_no_image(plane: ControlPlane) -> None:
    plane.kubectl("create", "-f", "-", stdin=pod("faulty", annotations={FAULT: "ImagePull"}))
    path = "jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    plane.kubectl("wait", f"--for={path[:-1]}}}=ImagePullBackOff", "pod/faulty", "--timeout=30s")
    assert plane.kubectl("get", "pod", "faulty", "-o", path) == "ImagePullBackOff"


def test_a_pod_that_asks_for_a_gpu_runs_where_one_is(plane: ControlPlane) -> None:
    plane.kubectl("create", "-f", "-", stdin=pod("gpu", limits={GPU: "1"}))
    plane.kubectl("wait", "--for=condition=Ready", "pod/gpu", "--timeout=30s")
    assert plane.kubectl("get", "pod", "gpu", "-o", "jsonpath={.spec.nodeName}") == "gpu-1"


def test_a_claim_is_bound_to_a_volume_on_paper(plane: ControlPlane) -> None:
    resources = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": resources}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    plane.kubectl("create", "-f", "-", stdin=json.dumps(claim))
    plane.kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/data", "--timeout=30s")
    assert "paper-0000" in plane.kubectl("get", "pvc", "data")


def test_the_answerer_speaks_for_a_pod() -> None:
    with Answerer() as answerer:
        url = answerer.url.format(namespace="team-a", name="notes-0")
        assert ask(url)["ready"] is True
        answerer.failing["team-a"] = {"storage": {"ok": False, "reason": "StorageUnwritable", "message": "full"}}
        assert ask(url)["checks"]["storage"]["message"] == "full"

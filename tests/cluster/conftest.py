"""One control plane and one operator for all tests, and another pair with nodes on paper; a namespace for each test.

The operators run as programs of their own, under the ServiceAccount and the roles that the chart renders, so that a
right that is missing there fails here.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from simplemem_operator.api import Api
from simplemem_operator.cluster import Cluster
from tests.harness.answerer import Answerer
from tests.harness.control_plane import ControlPlane
from tests.harness.control_plane_flags import ControlPlaneOptions
from tests.harness.fault_proxy import FaultProxy
from tests.harness.kwok import FakeNode, Kubelet, Kwok
from tests.harness.operator import WRITER, Operator, install_access
from tests.harness.ports import free_ports

NUMBERS = itertools.count(1)
CHILD_KINDS = "deployment,statefulset,cronjob,service,configmap,serviceaccount,pvc,networkpolicy,pdb,hpa"
NODES = [
    *(FakeNode(f"cpu-{zone}{number}", f"zone-{zone}") for zone in "abc" for number in (1, 2)),
    *(FakeNode(f"gpu-{zone}1", f"zone-{zone}", gpus=4) for zone in "abc"),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


def eventually(check: Callable[[], Any], within: float = 40, every: float = 0.1) -> Any:
    """The first true answer of a check; by default before the operator would look again by itself, after 60 s."""
    deadline = time.monotonic() + within
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(every)
    return answer


def cluster_of(kubeconfig: Path) -> Cluster:
    """The API as the operator with these credentials uses it."""
    config.load_kube_config(str(kubeconfig))
    return Cluster(Api(client.ApiClient()))


class Space:
    """A namespace and what a user does in it."""

    def __init__(self, plane: ControlPlane, name: str) -> None:
        self.plane = plane
        self.name = name
        plane.kubectl("create", "namespace", name)

    def kubectl(self, *args: str, **options: Any) -> str:
        """kubectl in the namespace."""
        return self.plane.kubectl("-n", self.name, *args, **options)

    def store(self, name: str = "notes", *, labels: dict[str, str] | None = None, **spec: Any) -> None:
        """Apply a MemoryStore."""
        manifest = {
            "apiVersion": "simplemem.io/v1alpha1",
            "kind": "MemoryStore",
            "metadata": {"name": name, **({"labels": labels} if labels else {})},
            "spec": spec,
        }
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(manifest))

    def patch(self, kind: str, name: str, patch: dict[str, Any]) -> None:
        """Merge a patch, as a user's edit does."""
        self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(patch))

    def secret(self, name: str, **values: str) -> None:
        """Create or replace a Secret."""
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(body))

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object, or None."""
        text = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        found: dict[str, Any] | None = json.loads(text) if text.strip() else None
        return found

    def names(self) -> set[str]:
        """All children, as Kind/name."""
        selector = "app.kubernetes.io/managed-by=simplemem-operator"
        items = json.loads(self.kubectl("get", CHILD_KINDS, "-l", selector, "-o", "json"))["items"]
        return {f"{item['kind']}/{item['metadata']['name']}" for item in items}

    def writes(self) -> list[str]:
        """What the operator wrote into the namespace so far, each as ``verb resource/name subresource code``."""

        def line(event: dict[str, Any]) -> str:
            ref = event["objectRef"]
            words = [event["verb"], f"{ref['resource']}/{ref.get('name', '')}", ref.get("subresource", "")]
            return " ".join([*filter(None, words), str(event["responseStatus"]["code"])])

        events = self.plane.writes(WRITER)
        return [line(event) for event in events if event["objectRef"].get("namespace") == self.name]

    def rest(self, seconds: float = 3) -> None:
        """Wait until the operator has written nothing into the namespace for that long."""
        deadline = time.monotonic() + 60
        written, since = len(self.writes()), time.monotonic()
        while time.monotonic() - since < seconds:
            assert time.monotonic() < deadline, self.writes()[-20:]
            time.sleep(0.2)
            if len(self.writes()) != written:
                written, since = len(self.writes()), time.monotonic()

    def have_scaled(self) -> bool:
        """Whether each autoscaler has set the number of pods: it first looks after some 15 s; before, there is one."""
        found = json.loads(self.kubectl("get", "hpa,deployment", "-o", "json"))["items"]
        least = {
            item["spec"]["scaleTargetRef"]["name"]: item["spec"]["minReplicas"]
            for item in found
            if item["kind"] == "HorizontalPodAutoscaler"
        }
        deployments = {item["metadata"]["name"]: item for item in found if item["kind"] == "Deployment"}
        scaled = least.keys() & deployments.keys()
        return bool(scaled) and all(deployments[name]["spec"]["replicas"] >= least[name] for name in scaled)

    def ready(self, name: str = "notes") -> dict[str, Any]:
        """The condition Ready; empty before the first pass."""
        return self.condition("Ready", name)

    def condition(self, kind: str, name: str = "notes") -> dict[str, Any]:
        """A condition of a store."""
        found = self.get("smem", name) or {}
        conditions = found.get("status", {}).get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def settled(self, name: str = "notes") -> dict[str, Any]:
        """The store once its last edit has been seen to the end."""

        def seen() -> dict[str, Any] | None:
            found = self.get("smem", name)
            status = (found or {}).get("status", {})
            is_seen = found and status.get("observedGeneration") == found["metadata"]["generation"]
            return found if is_seen else None

        found: dict[str, Any] = eventually(seen)
        return found

    def events(self) -> list[dict[str, Any]]:
        """What was told of the stores."""
        text = self.kubectl("get", "events", "-o", "json", "--field-selector", "involvedObject.kind=MemoryStore")
        found: list[dict[str, Any]] = json.loads(text)["items"]
        return found


@dataclass(frozen=True)
class Fleet:
    """A control plane with nodes on paper, where stores become Ready."""

    plane: ControlPlane
    kwok: Kwok
    kubelet: Kubelet
    answerer: Answerer
    operator: Operator


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def credentials(plane: ControlPlane) -> Path:
    return install_access(plane)


@pytest.fixture(scope="session")
def operator(credentials: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    operator = Operator(credentials, tmp_path_factory.mktemp("operator"))
    operator.start()
    yield operator
    operator.stop()


@contextmanager
def on_paper(folder: Path, options: ControlPlaneOptions | None = None) -> Iterator[Fleet]:
    """A control plane with nodes on paper, and an operator, for the block."""
    kubelet = Kubelet(folder / "container.log", *free_ports(1))
    kubelet.log.touch()
    planned = ControlPlane(folder / "plane", options or ControlPlaneOptions())
    with planned as plane, Kwok(plane, kubelet) as kwok, Answerer() as answerer:
        kwok.add_nodes(NODES)
        operator = Operator(install_access(plane), folder, flags=["--probe-url", answerer.url])
        operator.start()
        yield Fleet(plane, kwok, kubelet, answerer, operator)
        operator.stop()


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with on_paper(tmp_path_factory.mktemp("fleet")) as fleet:
        fleet.kwok.add_volumes(200)
        yield fleet


@pytest.fixture(scope="session")
def bare_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane beside which no operator runs but those of the test."""
    with ControlPlane(tmp_path_factory.mktemp("bare")) as plane:
        yield plane


@pytest.fixture(scope="session")
def bare_credentials(bare_plane: ControlPlane) -> Path:
    return install_access(bare_plane)


@pytest.fixture
def bare_space(bare_plane: ControlPlane, bare_credentials: Path) -> Iterator[Space]:
    """A namespace where the test itself says when an operator runs."""
    assert bare_credentials.is_file()
    space = Space(bare_plane, f"bare-{next(NUMBERS)}")
    yield space
    bare_plane.kubectl("delete", "namespace", space.name, "--wait=false", "--ignore-not-found")


@dataclass(frozen=True)
class Rig:
    """An operator of the test's own, for one namespace, and the proxy between it and the API server."""

    space: Space
    proxy: FaultProxy
    operator: Operator


@contextmanager
def _rigged(space: Space, credentials: Path, folder: Path, *flags: str) -> Iterator[Rig]:
    with FaultProxy(space.plane) as proxy:
        kubeconfig = proxy.kubeconfig(credentials, folder / "proxied.kubeconfig")
        operator = Operator(kubeconfig, folder, flags=["--namespace", space.name, *flags])
        yield Rig(space, proxy, operator)
        operator.process.kill()


@pytest.fixture
def rig(bare_space: Space, bare_credentials: Path, tmp_path: Path) -> Iterator[Rig]:
    """A rig whose watches end soon, so that what they do about a cut one is seen soon."""
    with _rigged(bare_space, bare_credentials, tmp_path, "--watch-seconds", "4") as rig:
        yield rig


@pytest.fixture
def patient_rig(bare_space: Space, bare_credentials: Path, tmp_path: Path) -> Iterator[Rig]:
    """A rig whose watches last as long as they do for users."""
    with _rigged(bare_space, bare_credentials, tmp_path) as rig:
        yield rig


@pytest.fixture
def space(plane: ControlPlane, operator: Operator) -> Iterator[Space]:
    assert operator.process.is_running
    space = Space(plane, f"team-{next(NUMBERS)}")
    yield space
    plane.kubectl("delete", "namespace", space.name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def town(fleet: Fleet) -> Iterator[Space]:
    """A namespace whose pods run on paper, so that its stores become Ready."""
    space = Space(fleet.plane, f"town-{next(NUMBERS)}")
    yield space
    fleet.plane.kubectl("delete", "namespace", space.name, "--wait=false", "--ignore-not-found")

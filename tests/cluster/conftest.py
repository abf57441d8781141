"""One control plane and one operator for all tests; each test has a namespace of its own.

The operator runs as a program of its own, under the ServiceAccount and the roles that the chart renders, so that a
right that is missing there fails here.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import yaml

from tests.harness.build import ensure
from tests.harness.control_plane import ControlPlane
from tests.harness.ports import free_ports
from tests.harness.process import Process

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = "simplemem-system"
ACCOUNT = "simplemem"
NUMBERS = itertools.count(1)
CHILD_KINDS = "deployment,service,configmap,serviceaccount,pvc,networkpolicy,pdb,hpa"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


def eventually(check: Callable[[], Any], within: float = 20, every: float = 0.1) -> Any:
    """The first true answer of a check."""
    deadline = time.monotonic() + within
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(every)
    return answer


class Operator:
    """The operator as a program."""

    def __init__(self, kubeconfig: Path, folder: Path, name: str = "operator") -> None:
        (self.port,) = free_ports(1)
        python = ROOT / ".venv" / "operator" / "bin" / "python"
        words = [python, "-m", "simplemem_operator", "--kubeconfig", kubeconfig, "--metrics-port", self.port]
        words += ["--poll-seconds", "5", "--service-image", "example.com/service:1"]
        self.process = Process(name, [str(word) for word in words], folder / f"{name}.log")

    def start(self) -> None:
        """Run it until it answers."""
        self.process.start()
        self.process.wait_until(lambda: self.healthz()[0] == 200, "/healthz", 30)

    def stop(self) -> None:
        """End it as a kubelet would."""
        self.process.stop(within_seconds=10)

    def healthz(self) -> tuple[int, str]:
        """Status and text of its liveness."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except (URLError, OSError):
            return 0, ""

    def metrics(self, prefix: str) -> dict[str, float]:
        """Samples whose name begins with the prefix."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(prefix)}


class Space:
    """A namespace and what a user does in it."""

    def __init__(self, plane: ControlPlane, name: str) -> None:
        self.plane = plane
        self.name = name
        plane.kubectl("create", "namespace", name)

    def kubectl(self, *args: str, **options: Any) -> str:
        """kubectl in the namespace."""
        return self.plane.kubectl("-n", self.name, *args, **options)

    def store(self, name: str = "notes", **spec: Any) -> None:
        """Apply a MemoryStore."""
        manifest = {
            "apiVersion": "simplemem.io/v1alpha1",
            "kind": "MemoryStore",
            "metadata": {"name": name},
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


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("plane")) as plane:
        plane.kubectl("create", "namespace", SYSTEM)
        helm = str(ensure(["helm"])["helm"])
        chart = str(ROOT / "charts" / "simplemem-operator")
        command = [helm, "template", ACCOUNT, chart, "-n", SYSTEM, "--kube-version", "1.35.4"]
        rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        wanted = {"CustomResourceDefinition", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"}
        documents = [found for found in yaml.safe_load_all(rendered) if found and found["kind"] in wanted]
        plane.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(documents))
        plane.kubectl("wait", "--for=condition=Established", "crd/memorystores.simplemem.io", "--timeout=30s")
        yield plane


@pytest.fixture(scope="session")
def credentials(plane: ControlPlane) -> Path:
    return plane.service_account_kubeconfig(SYSTEM, ACCOUNT)


@pytest.fixture(scope="session")
def operator(plane: ControlPlane, credentials: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    operator = Operator(credentials, tmp_path_factory.mktemp("operator"))
    operator.start()
    yield operator
    operator.stop()


@pytest.fixture
def bare_space(plane: ControlPlane) -> Iterator[Space]:
    """A namespace where the test itself says when an operator runs."""
    space = Space(plane, f"bare-{next(NUMBERS)}")
    yield space
    plane.kubectl("delete", "namespace", space.name, "--wait=false")


@pytest.fixture
def space(plane: ControlPlane, operator: Operator) -> Iterator[Space]:
    space = Space(plane, f"team-{next(NUMBERS)}")
    yield space
    plane.kubectl("delete", "namespace", space.name, "--wait=false", "--ignore-not-found")

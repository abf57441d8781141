"""A real Argo CD keeps stores in step with a Git repository, set up by the samples of `manifests/argocd`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Fleet, Space, eventually
from tests.cluster.test_lifecycle import versions
from tests.harness.argo_cd import ArgoCd, GitRepository
from tests.harness.build import built
from tests.support.chart import CHART

SAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "argocd"
KINDS = "deployment,service,serviceaccount,configmap,networkpolicy"
INSTANCE = "app.kubernetes.io/instance=simplemem-operator"
STORE = """\
apiVersion: simplemem.io/v1alpha1
kind: MemoryStore
metadata:
  name: notes
spec:
  tier: CostEffective
  suspend: false
  storage:
    s3: {bucket: memories, credentialsSecretName: bucket-keys}
  retrieval: {replicas: 1}
"""


@pytest.fixture(scope="module")
def argo_cd(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArgoCd]:
    if built("argocd") is None:
        pytest.skip("Argo CD is not built; `make test-argocd` builds it, in ten minutes")
    with ArgoCd(fleet.plane, tmp_path_factory.mktemp("argocd")) as argo_cd:
        yield argo_cd


class Namespace:
    """A namespace and what the chart has there."""

    def __init__(self, argo_cd: ArgoCd, name: str) -> None:
        self._plane = argo_cd.plane
        self._name = name

    def kubectl(self, *args: str) -> str:
        return self._plane.kubectl("-n", self._name, *args)

    def versions(self) -> dict[str, str]:
        items = json.loads(self.kubectl("get", KINDS, "-l", INSTANCE, "-o", "json"))["items"]
        return {f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"] for item in items}

    def dashboards(self) -> list[str]:
        return self.kubectl("get", "configmap", "-l", "grafana_dashboard=1", "-o", "name").split()


def application(argo_cd: ArgoCd, name: str) -> dict[str, Any]:
    text = argo_cd.kubectl("get", "application", name, "-o", "json", "--ignore-not-found")
    found: dict[str, Any] = json.loads(text) if text.strip() else {}
    return found


def shown(argo_cd: ArgoCd, name: str) -> tuple[str, str]:
    """What Argo CD says of an application: in step with Git or not, and its health."""
    status = application(argo_cd, name).get("status", {})
    return status.get("sync", {}).get("status", ""), status.get("health", {}).get("status", "")


def spec(town: Space) -> dict[str, Any]:
    found: dict[str, Any] = (town.get("smem", "notes") or {})["spec"]
    return found


def test_a_tenant_s_folder_becomes_a_store_and_stays_it(argo_cd: ArgoCd, town: Space, tmp_path: Path) -> None:
    town.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    argo_cd.kubectl("patch", "configmap", "argocd-cm", f"--patch-file={SAMPLES / 'argocd-cm.yaml'}")
    name, path = f"memory-{town.name}", f"tenants/{town.name}/notes.yaml"
    repository = GitRepository(tmp_path / "repository")
    repository.commit({path: STORE})
    tenants = (SAMPLES / "applicationset.yaml").read_text()
    tenants = tenants.replace("https://git.example.com/platform/memory-stores.git", repository.url)
    tenants = tenants.replace("https://kubernetes.default.svc", argo_cd.plane.server)
    argo_cd.kubectl("apply", "-f", "-", stdin=tenants)

    eventually(lambda: shown(argo_cd, name) == ("Synced", "Healthy"), within=120, every=0.5)
    assert town.ready()["status"] == "True"

    # Nothing changes for as long as nobody changes anything.
    town.rest(2)
    before = versions(town)
    syncs = len(application(argo_cd, name)["status"]["history"])
    time.sleep(10)
    assert versions(town) == before
    assert len(application(argo_cd, name)["status"]["history"]) == syncs
    assert shown(argo_cd, name) == ("Synced", "Healthy")

    # What somebody changes by hand is what Git says again.
    town.patch("smem", "notes", {"spec": {"suspend": True}})
    eventually(lambda: spec(town)["suspend"] is False, within=60, every=0.3)
    eventually(lambda: shown(argo_cd, name) == ("Synced", "Healthy"), within=60, every=0.5)

    # The number of pods is left to `kubectl scale`.
    town.kubectl("scale", "smem", "notes", "--replicas=2")
    time.sleep(10)
    assert spec(town)["retrieval"]["replicas"] == 2
    assert shown(argo_cd, name)[0] == "Synced"

    # A commit reaches the store, and what it says of the store is seen.
    repository.commit({path: STORE.replace("suspend: false", "suspend: true")})
    eventually(lambda: shown(argo_cd, name) == ("Synced", "Suspended"), within=60, every=0.5)
    assert spec(town)["retrieval"]["replicas"] == 2

    # A store whose file is gone stays.
    other = STORE.replace("name: notes", "name: other")
    repository.commit({path: None, path.replace("notes", "other"): other})
    eventually(lambda: shown(argo_cd, name)[0] == "OutOfSync", within=60, every=0.5)
    eventually(lambda: town.get("smem", "other"), within=60)
    assert town.get("smem", "notes")

    # Stores outlive the set that made them.
    argo_cd.kubectl("delete", "applicationset", "memory-stores")
    eventually(lambda: not application(argo_cd, name), within=60, every=0.5)
    assert town.get("smem", "other")


def test_the_chart_is_in_step_and_stays_it(argo_cd: ArgoCd, tmp_path: Path) -> None:
    name, system = "simplemem-operator", Namespace(argo_cd, "simplemem-system")
    repository = GitRepository(tmp_path / "repository")
    files = (path for path in CHART.rglob("*") if path.is_file())
    repository.commit({f"charts/simplemem-operator/{path.relative_to(CHART)}": path.read_text() for path in files})
    text = (SAMPLES / "application.yaml").read_text()
    text = text.replace("https://git.example.com/platform/simplemem.git", repository.url)
    # This server knows no PrometheusRule.
    text = text.replace("rules: {enabled: true}", "rules: {enabled: false}")
    argo_cd.kubectl("apply", "-f", "-", stdin=text.replace("https://kubernetes.default.svc", argo_cd.plane.server))
    eventually(lambda: shown(argo_cd, name) == ("Synced", "Healthy"), within=120, every=0.5)
    assert len(system.dashboards()) == 3

    before = system.versions()
    syncs = len(application(argo_cd, name)["status"]["history"])
    time.sleep(10)
    assert system.versions() == before
    assert len(application(argo_cd, name)["status"]["history"]) == syncs
    assert shown(argo_cd, name) == ("Synced", "Healthy")

    system.kubectl("delete", "service", name)
    eventually(lambda: system.kubectl("get", "service", name, "--ignore-not-found").strip(), within=60, every=0.5)

    values = {"monitoring": {"dashboards": {"enabled": False}}}
    patch = {"spec": {"source": {"helm": {"valuesObject": values}}}}
    argo_cd.kubectl("patch", "application", name, "--type=merge", "-p", json.dumps(patch))
    eventually(lambda: not system.dashboards(), within=60, every=0.5)
    eventually(lambda: shown(argo_cd, name) == ("Synced", "Healthy"), within=60, every=0.5)

    argo_cd.kubectl("delete", "application", name)
    system.kubectl("delete", KINDS, "-l", INSTANCE)

"""A real Argo CD keeps stores in step with a Git repository, set up by the samples of `manifests/argocd`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
PLATFORM = "https://git.example.com/platform/simplemem.git"
STORES = "https://git.example.com/platform/memory-stores.git"
AUTOSCALER = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: notes}
spec:
  scaleTargetRef: {apiVersion: simplemem.io/v1alpha1, kind: MemoryStore, name: notes}
  minReplicas: 4
  maxReplicas: 6
"""
NOWHERE = "nodeSelector: {wave: none}"
"""Value of the chart that no node meets."""


@pytest.fixture(scope="module")
def argo_cd(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArgoCd]:
    if built("argocd") is None:
        pytest.skip("Argo CD is not built; `make test-argocd` builds it, in ten minutes")
    with ArgoCd(fleet.plane, tmp_path_factory.mktemp("argocd")) as argo_cd:
        argo_cd.kubectl("patch", "configmap", "argocd-cm", f"--patch-file={SAMPLES / 'argocd-cm.yaml'}")
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


def count_syncs(argo_cd: ArgoCd, name: str) -> int:
    """How often an application has been synced."""
    return len(application(argo_cd, name)["status"]["history"])


def shown(argo_cd: ArgoCd, name: str) -> tuple[str, str]:
    """What Argo CD says of an application: in step with Git or not, and its health."""
    status = application(argo_cd, name).get("status", {})
    return status.get("sync", {}).get("status", ""), status.get("health", {}).get("status", "")


def sample(name: str, argo_cd: ArgoCd, words: Mapping[str, str]) -> str:
    """A sample for this server, with words replaced."""
    text = (SAMPLES / name).read_text()
    # The last, since this server knows no PrometheusRule.
    words = {
        **words,
        "https://kubernetes.default.svc": argo_cd.plane.server,
        "rules: {enabled: true}": "rules: {enabled: false}",
    }
    for word, other in words.items():
        text = text.replace(word, other)
    return text


def chart() -> dict[str, str]:
    """Files of the chart by their paths in a repository."""
    files = (path for path in CHART.rglob("*") if path.is_file())
    return {f"charts/simplemem-operator/{path.relative_to(CHART)}": path.read_text() for path in files}


def spec(town: Space) -> dict[str, Any]:
    found: dict[str, Any] = (town.get("smem", "notes") or {})["spec"]
    return found


@dataclass(frozen=True)
class Tenant:
    """A tenant with one store, brought by the ApplicationSet."""

    town: Space
    repository: GitRepository
    argo_cd: ArgoCd

    @property
    def name(self) -> str:
        """Name of the application."""
        return f"memory-{self.town.name}"

    def path(self, store: str = "notes") -> str:
        """Path of a store's file in the repository."""
        return f"tenants/{self.town.name}/{store}.yaml"

    def replicas(self) -> int:
        """Number of pods that the store asks for."""
        return int(spec(self.town)["retrieval"]["replicas"])

    def syncs(self) -> int:
        """How often the application has been synced."""
        return count_syncs(self.argo_cd, self.name)

    def wait(self, sync: str, *health: str) -> None:
        """Wait until Argo CD shows the application so."""
        eventually(lambda: shown(self.argo_cd, self.name)[: 1 + len(health)] == (sync, *health), within=120, every=0.5)


@pytest.fixture
def tenant(argo_cd: ArgoCd, town: Space, tmp_path: Path) -> Iterator[Tenant]:
    town.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    tenant = Tenant(town, GitRepository(tmp_path / "repository"), argo_cd)
    tenant.repository.commit({tenant.path(): STORE})
    # Every three minutes otherwise.
    words = {STORES: tenant.repository.url, " revision: main": " revision: main\n        requeueAfterSeconds: 3"}
    argo_cd.kubectl("apply", "-f", "-", stdin=sample("applicationset.yaml", argo_cd, words))
    tenant.wait("Synced", "Healthy")
    yield tenant
    argo_cd.kubectl("delete", "applicationset", "memory-stores", "--ignore-not-found")


def test_a_tenant_s_folder_becomes_a_store_and_stays_it(tenant: Tenant) -> None:
    town = tenant.town
    assert town.ready()["status"] == "True"

    # Nothing changes for as long as nobody changes anything.
    town.rest(2)
    before, syncs = versions(town), tenant.syncs()
    time.sleep(10)
    assert versions(town) == before
    assert tenant.syncs() == syncs
    tenant.wait("Synced", "Healthy")

    # What somebody changes by hand is what Git says again.
    town.patch("smem", "notes", {"spec": {"suspend": True}})
    eventually(lambda: spec(town)["suspend"] is False, within=60, every=0.3)
    tenant.wait("Synced", "Healthy")

    # A commit reaches the store, and what it says of the store is seen.
    tenant.repository.commit({tenant.path(): STORE.replace("suspend: false", "suspend: true")})
    tenant.wait("Synced", "Suspended")

    # What needs somebody is shown as such, and no longer once somebody has come.
    tenant.repository.commit({tenant.path(): STORE.replace("bucket-keys", "no-such-keys")})
    tenant.wait("Synced", "Degraded")
    assert town.ready()["reason"] == "SecretMissing"
    town.secret("no-such-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    tenant.wait("Synced", "Healthy")


def test_the_number_of_pods_is_git_s_until_an_autoscaler_sets_it(tenant: Tenant) -> None:
    town = tenant.town
    town.kubectl("scale", "smem", "notes", "--replicas=3")
    eventually(lambda: tenant.replicas() == 1, within=60, every=0.3)
    two = STORE.replace("replicas: 1", "replicas: 2")
    tenant.repository.commit({tenant.path(): two})
    eventually(lambda: tenant.replicas() == 2, within=60, every=0.3)
    tenant.wait("Synced", "Healthy")

    syncs = tenant.syncs()
    town.kubectl("apply", "-f", "-", stdin=AUTOSCALER)
    eventually(lambda: tenant.replicas() == 4, within=60, every=0.3)
    time.sleep(10)
    assert tenant.replicas() == 4
    assert shown(tenant.argo_cd, tenant.name)[0] == "Synced"
    assert tenant.syncs() == syncs

    # Nor does a commit undo it that is about something else.
    tenant.repository.commit({tenant.path(): two.replace("suspend: false", "suspend: true")})
    tenant.wait("Synced", "Suspended")
    assert tenant.replicas() == 4


def test_stores_outlive_their_files_their_folder_and_the_set(tenant: Tenant) -> None:
    town, argo_cd = tenant.town, tenant.argo_cd
    tenant.repository.commit({tenant.path(): None, tenant.path("other"): STORE.replace("name: notes", "name: other")})
    tenant.wait("OutOfSync")
    eventually(lambda: town.get("smem", "other"), within=60)
    assert town.get("smem", "notes")

    tenant.repository.commit({tenant.path("other"): None, "README.md": "No tenants.\n"})
    eventually(lambda: not application(argo_cd, tenant.name), within=60, every=0.5)
    assert town.get("smem", "notes")
    assert town.get("smem", "other")

    tenant.repository.commit({tenant.path(): STORE})
    tenant.wait("OutOfSync", "Healthy")
    argo_cd.kubectl("delete", "applicationset", "memory-stores")
    eventually(lambda: not application(argo_cd, tenant.name), within=60, every=0.5)
    assert town.get("smem", "notes")


def test_the_chart_is_in_step_and_stays_it(argo_cd: ArgoCd, tmp_path: Path) -> None:
    name, system = "simplemem-operator", Namespace(argo_cd, "simplemem-system")
    repository = GitRepository(tmp_path / "repository")
    repository.commit(chart())
    argo_cd.kubectl("apply", "-f", "-", stdin=sample("application.yaml", argo_cd, {PLATFORM: repository.url}))
    eventually(lambda: shown(argo_cd, name) == ("Synced", "Healthy"), within=120, every=0.5)
    assert len(system.dashboards()) == 3

    before = system.versions()
    syncs = count_syncs(argo_cd, name)
    time.sleep(10)
    assert system.versions() == before
    assert count_syncs(argo_cd, name) == syncs
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


def test_the_root_application_brings_stores_only_once_the_operator_is_healthy(
    argo_cd: ArgoCd, town: Space, tmp_path: Path
) -> None:
    town.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    platform, stores = GitRepository(tmp_path / "platform"), GitRepository(tmp_path / "stores")
    stores.commit({f"tenants/{town.name}/notes.yaml": STORE})
    words = {PLATFORM: platform.url, STORES: stores.url}
    files = {f"manifests/argocd/{path.name}": sample(path.name, argo_cd, words) for path in SAMPLES.glob("*.yaml")}
    values = "charts/simplemem-operator/values.yaml"
    good = chart()
    assert "\nnodeSelector: {}\n" in good[values]
    platform.commit(good | files | {values: good[values].replace("\nnodeSelector: {}\n", f"\n{NOWHERE}\n")})
    argo_cd.kubectl("apply", "-f", "-", stdin=files["manifests/argocd/root.yaml"])

    # The operator's pod fits no node, and the second wave waits for it.
    eventually(lambda: shown(argo_cd, "simplemem-operator") == ("Synced", "Progressing"), within=120, every=0.5)
    time.sleep(10)
    operation = application(argo_cd, "simplemem")["status"]["operationState"]
    assert operation["phase"] == "Running"
    assert "waiting for healthy state of argoproj.io/Application/simplemem-operator" in operation["message"]
    assert not argo_cd.kubectl("get", "applicationset", "-o", "name")
    assert not town.get("smem", "notes")

    platform.commit(good)
    eventually(lambda: shown(argo_cd, "simplemem") == ("Synced", "Healthy"), within=120, every=0.5)
    assert shown(argo_cd, "simplemem-operator") == ("Synced", "Healthy")
    eventually(lambda: shown(argo_cd, f"memory-{town.name}") == ("Synced", "Healthy"), within=120, every=0.5)
    # Argo CD's own additions to the two are no drift of the root's. The commit may cost it one more sync, where it
    # looks before its watch has told of what it made.
    time.sleep(10)
    syncs = count_syncs(argo_cd, "simplemem")
    assert syncs <= 2
    time.sleep(10)
    assert shown(argo_cd, "simplemem") == ("Synced", "Healthy")
    assert count_syncs(argo_cd, "simplemem") == syncs

    argo_cd.kubectl("delete", "application", "simplemem")
    argo_cd.kubectl("delete", "applicationset", "memory-stores")
    argo_cd.kubectl("delete", "application", "simplemem-operator")
    Namespace(argo_cd, "simplemem-system").kubectl("delete", KINDS, "-l", INSTANCE)
    assert town.get("smem", "notes")

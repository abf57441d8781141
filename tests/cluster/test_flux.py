"""A real kustomize-controller keeps stores in step by the samples of `manifests/flux`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Fleet, Space, eventually
from tests.cluster.test_argo_cd import STORE
from tests.harness.build import built
from tests.harness.kustomize_controller import NAMESPACE, PROGRAM, KustomizeController

SAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "flux"
CLUSTER = f"""\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: flux-system, namespace: {NAMESPACE}}}
spec:
  interval: 10m
  path: ./clusters
  prune: true
  sourceRef: {{kind: GitRepository, name: memory-stores}}
"""
"""What `flux bootstrap` makes for the folder that tenants are entered in."""


@pytest.fixture(scope="module")
def flux(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KustomizeController]:
    if built(PROGRAM) is None:
        pytest.skip("Flux is not built; `make test-flux` builds it")
    with KustomizeController(fleet.plane, tmp_path_factory.mktemp("flux")) as flux:
        yield flux


def ready(flux: KustomizeController, name: str) -> dict[str, Any]:
    """The condition Ready of a Kustomization, and the revision that it is about."""
    text = flux.kubectl("get", "kustomization", name, "-o", "json", "--ignore-not-found")
    status = json.loads(text).get("status", {}) if text.strip() else {}
    (found,) = [one for one in status.get("conditions", []) if one["type"] == "Ready"] or [{}]
    return {**found, "applied": status.get("lastAppliedRevision"), "tried": status.get("lastAttemptedRevision")}


def is_applied(flux: KustomizeController, name: str, revision: str) -> bool:
    found = ready(flux, name)
    return bool(found.get("status") == "True" and found["applied"] == revision)


@dataclass
class Tenant:
    """A tenant with one store, and the files of the repository."""

    town: Space
    flux: KustomizeController
    files: dict[str, str]

    @property
    def name(self) -> str:
        """Name of the Kustomization."""
        return f"memory-{self.town.name}"

    def path(self, store: str = "notes") -> str:
        """Path of a store's file in the repository."""
        return f"tenants/{self.town.name}/{store}.yaml"

    def commit(self, changes: Mapping[str, str | None]) -> str:
        """Revision of a commit of changed files, each with its text, or None to remove it."""
        files = {**self.files, **changes}
        self.files = {name: text for name, text in files.items() if text is not None}
        return self.flux.commit("memory-stores", self.files)

    def wait(self, revision: str) -> None:
        """Wait until a revision is applied and its stores are as they should be."""
        eventually(lambda: is_applied(self.flux, self.name, revision), within=60)


@pytest.fixture
def tenant(flux: KustomizeController, town: Space) -> Tenant:
    """A tenant whose files are committed, and whose operator's release is not ready."""
    town.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    text = (SAMPLES / "tenant.yaml").read_text().replace("team-a", town.name)
    flux.kubectl("apply", "--server-side", "-f", str(SAMPLES / "cluster.yaml"))
    flux.kubectl("apply", "--server-side", "-f", "-", stdin=CLUSTER)
    operator = (SAMPLES / "operator.yaml").read_text()
    tenant = Tenant(town, flux, {})
    tenant.commit({"operator/operator.yaml": operator, f"clusters/{town.name}.yaml": text, tenant.path(): STORE})
    return tenant


def make_operator_ready(flux: KustomizeController) -> None:
    eventually(lambda: flux.kubectl("get", "helmrelease", "-o", "name").strip(), within=60)
    for kind in ("ocirepository", "helmrelease"):
        flux.make_ready(kind, "simplemem-operator")


def test_a_store_comes_after_the_operator_and_is_done_once_it_answers_or_is_at_rest(tenant: Tenant) -> None:
    flux, town = tenant.flux, tenant.town
    eventually(lambda: "simplemem-operator' is not ready" in ready(flux, tenant.name).get("message", ""), within=60)
    assert not town.get("smem", "notes")
    make_operator_ready(flux)
    eventually(lambda: ready(flux, tenant.name).get("status") == "True", within=60)
    assert town.ready()["status"] == "True"

    revision = tenant.commit({tenant.path(): STORE.replace("suspend: false", "suspend: true")})
    tenant.wait(revision)
    assert town.ready()["reason"] == "Suspended"

    # What needs somebody is told at once, with the store's name.
    revision = tenant.commit({tenant.path(): STORE.replace("bucket-keys", "no-such-keys")})
    eventually(lambda: ready(flux, tenant.name)["tried"] == revision, within=60)
    eventually(lambda: ready(flux, tenant.name)["status"] == "False", within=60)
    found = ready(flux, tenant.name)
    assert found["reason"] == "HealthCheckFailed"
    assert f"MemoryStore/{town.name}/notes" in found["message"]
    assert "failed early" in found["message"]


def test_stores_outlive_their_files_and_the_tenant_s(tenant: Tenant) -> None:
    flux, town = tenant.flux, tenant.town
    make_operator_ready(flux)
    eventually(lambda: ready(flux, tenant.name).get("status") == "True", within=60)
    other = STORE.replace("name: notes", "name: other")
    tenant.wait(tenant.commit({tenant.path(): None, tenant.path("other"): other}))
    assert town.get("smem", "notes")

    another = "apiVersion: v1\nkind: Namespace\nmetadata: {name: another}\n"
    tenant.commit({tenant.path("other"): None, f"clusters/{town.name}.yaml": None, "clusters/another.yaml": another})
    eventually(lambda: not flux.kubectl("get", "kustomization", tenant.name, "--ignore-not-found").strip(), within=60)
    namespace = json.loads(flux.plane.kubectl("get", "namespace", town.name, "-o", "json"))
    assert namespace["status"]["phase"] == "Active"
    assert town.get("smem", "notes")
    assert town.get("smem", "other")

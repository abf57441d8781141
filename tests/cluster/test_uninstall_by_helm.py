"""A release, its stores and its CRD go in any order, and nothing is stuck; the release can be installed again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from itertools import permutations
from pathlib import Path

import pytest

from tests.cluster.conftest import NUMBERS, Space, eventually
from tests.cluster.test_children import KEYS, ON_A_VOLUME, ON_S3, S3
from tests.cluster.test_upgrade_by_helm import Release
from tests.harness.control_plane import ControlPlane
from tests.harness.crds import wait_established
from tests.harness.errors import HarnessError
from tests.harness.operator import ACCOUNT, CHART, SYSTEM, Operator

CRD = "memorystores.simplemem.io"
WAYS = (
    ("release", "stores"),
    ("stores", "release"),
    ("namespace", "release"),
    ("release", "namespace"),
    ("crd", "release"),
    ("release", "crd"),
    *permutations(("crd", "namespace", "release")),
)
"""What goes after what; a namespace and the CRD take stores along. Where the CRD stays, the next install finds it."""

IN_A_BUCKET = {found.replace("notes", "pail") for found in ON_S3}
RECORD = "ConfigMap/pail-removal"
REMOVAL = {RECORD, "ServiceAccount/pail-removal", "NetworkPolicy/pail-removal"}
"""What there is of a store in a bucket until a pod has emptied it; none does here, since there are no kubelets."""

OF_KUBERNETES = {"kubernetes.io/pvc-protection", "batch.kubernetes.io/job-tracking"}
"""Finalizers that Kubernetes' own controllers put on objects and take off again."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("home")) as plane:
        plane.kubectl("create", "namespace", SYSTEM)
        yield plane


def remove(what: str, release: Release, operator: Operator) -> None:
    """Have one thing gone, as its user does; each must end by itself."""
    plane, name = release.plane, release.space.name
    if what == "release":
        release.helm("uninstall", release.name, "--wait", "--timeout", "60s")
        operator.stop()
    elif what == "stores":
        plane.kubectl("delete", "memorystores", "--all", "-n", name, "--timeout=30s")
    elif what == "crd":
        plane.kubectl("delete", "crd", CRD, "--timeout=30s")
    else:
        plane.kubectl("delete", "namespace", name, "--timeout=50s")


def finalizers(space: Space) -> set[str]:
    """All finalizers of stores and of what was made for them."""
    kinds = "smem,deployment,statefulset,cronjob,job,service,configmap,serviceaccount,pvc,networkpolicy,pdb,hpa"
    found = json.loads(space.kubectl("get", kinds, "-o", "json"))["items"]
    return {finalizer for item in found for finalizer in item["metadata"].get("finalizers", ())}


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_all_goes_in_any_order(home: ControlPlane, way: tuple[str, ...], tmp_path: Path) -> None:
    release = Release(home, Space(home, f"gone-{next(NUMBERS)}"))
    space = release.space
    release.helm("install", ACCOUNT, str(CHART))
    wait_established(home, CRD)
    operator = release.operator(tmp_path)
    operator.start()
    space.secret("bucket-keys", **KEYS)
    space.store(tier="Minimal", storage={"deletionPolicy": "Delete"})
    space.store("pail", tier="CostEffective", storage=S3 | {"deletionPolicy": "Delete"})
    eventually(lambda: space.names() == ON_A_VOLUME | IN_A_BUCKET | {RECORD})
    space.rest(1)
    assert finalizers(space) <= OF_KUBERNETES

    for what in way:
        remove(what, release, operator)
        if way == ("release", "stores") and what == "release":
            assert json.loads(space.kubectl("get", "smem", "-o", "json"))["items"], "stores outlive the release"

    if "namespace" not in way:
        # The record of what is in the bucket waits for the next operator, and keeps nothing else from going.
        # A garbage collector that has just begun takes 40 s to learn of the new kind.
        eventually(lambda: space.names() <= REMOVAL, within=120)
        assert RECORD in space.names()
        home.kubectl("delete", "namespace", space.name, "--timeout=50s")
    assert not home.kubectl("get", "namespace", space.name, "--ignore-not-found")
    assert bool(home.kubectl("get", "crd", CRD, "--ignore-not-found")) is ("crd" not in way)
    assert not cluster_wide(home)


def cluster_wide(plane: ControlPlane) -> set[str]:
    """Roles of releases that reach beyond namespaces."""
    kinds = "clusterrole,clusterrolebinding"
    return set(plane.kubectl("get", kinds, "-o", "name", "-l", "app.kubernetes.io/managed-by=Helm").split())


def test_a_tenant_s_own_release_comes_and_goes_beside_the_cluster_s(home: ControlPlane, tmp_path: Path) -> None:
    wide = Release(home, Space(home, f"wide-{next(NUMBERS)}"))
    tenant = Space(home, f"tenant-{next(NUMBERS)}")
    own = Release(home, tenant, "own", tenant.name)
    wide.helm("install", wide.name, str(CHART), "--set", f"ignoreNamespaces={{{tenant.name}}}")
    wait_established(home, CRD)
    crd, roles = crd_version(home), cluster_wide(home)

    with pytest.raises(HarnessError, match="invalid ownership metadata"):
        own.helm("install", own.name, str(CHART), "--set", "scope=Namespaced")
    own.helm("install", own.name, str(CHART), "--set", "scope=Namespaced,crds.enabled=false")
    assert cluster_wide(home) == roles
    operators = {release: release.operator(tmp_path) for release in (wide, own)}
    for release, operator in operators.items():
        operator.start()
        release.space.store(tier="Minimal", storage={"deletionPolicy": "Delete"})
    for release in operators:
        eventually(partial(is_looked_after, release.space))
        assert writers(release.space) == {f"system:serviceaccount:{release.namespace}:{release.name}"}

    own.helm("uninstall", own.name, "--wait", "--timeout", "60s")
    operators[own].stop()
    assert (crd_version(home), cluster_wide(home)) == (crd, roles)
    assert tenant.names() == ON_A_VOLUME, "stores outlive the release"
    wide.space.patch("smem", "notes", {"spec": {"retrieval": {"topK": 22}}})
    wide.space.settled()
    # The stores that it left can be looked after by the release that stays, which the CRD is still known to.
    operators[wide].stop()
    wide.helm("upgrade", wide.name, str(CHART), "--set", "ignoreNamespaces=null")
    operators[wide] = wide.operator(tmp_path)
    operators[wide].start()
    tenant.patch("smem", "notes", {"spec": {"suspend": True}})
    eventually(lambda: tenant.ready().get("reason") == "Suspended")
    tenant.kubectl("delete", "smem", "notes", "--timeout=10s")
    eventually(lambda: not tenant.names(), within=60)
    remove("release", wide, operators[wide])
    for space in (wide.space, tenant):
        home.kubectl("delete", "namespace", space.name, "--timeout=50s")


def is_looked_after(space: Space) -> bool:
    return space.names() == ON_A_VOLUME


def crd_version(plane: ControlPlane) -> str:
    return plane.kubectl("get", "crd", CRD, "-o", "jsonpath={.metadata.uid}/{.metadata.resourceVersion}")


def writers(space: Space) -> set[str]:
    """Operators that wrote anything into a namespace."""
    found = set()
    for account in (f"{SYSTEM}:{ACCOUNT}", f"{space.name}:own"):
        events = space.plane.writes(f"system:serviceaccount:{account}")
        if any(event["objectRef"].get("namespace") == space.name for event in events):
            found.add(f"system:serviceaccount:{account}")
    return found

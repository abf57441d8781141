"""A release, its stores and its CRD go in any order, and nothing is stuck; the release can be installed again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import NUMBERS, Space, eventually
from tests.cluster.test_children import ON_A_VOLUME
from tests.cluster.test_upgrade_by_helm import Release
from tests.harness.control_plane import ControlPlane
from tests.harness.crds import wait_established
from tests.harness.operator import ACCOUNT, CHART, SYSTEM, Operator

CRD = "memorystores.simplemem.io"
WAYS = (
    ("release", "stores"),
    ("stores", "release"),
    ("namespace", "release"),
    ("release", "namespace"),
    ("crd", "release"),
)
"""What goes after what; a namespace and the CRD take stores along. The others leave the CRD to the next install."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("home")) as plane:
        plane.kubectl("create", "namespace", SYSTEM)
        yield plane


def remove(what: str, release: Release, operator: Operator) -> None:
    """Have one thing gone, as its user does; each must end by itself."""
    plane, name = release.plane, release.space.name
    if what == "release":
        release.helm("uninstall", ACCOUNT, "--wait", "--timeout", "60s")
        operator.stop()
    elif what == "stores":
        plane.kubectl("delete", "memorystores", "--all", "-n", name, "--timeout=30s")
    elif what == "crd":
        plane.kubectl("delete", "crd", CRD, "--timeout=30s")
    else:
        plane.kubectl("delete", "namespace", name, "--timeout=50s")


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_all_goes_in_any_order(home: ControlPlane, way: tuple[str, ...], tmp_path: Path) -> None:
    release = Release(home, Space(home, f"gone-{next(NUMBERS)}"))
    release.helm("install", ACCOUNT, str(CHART))
    wait_established(home, CRD)
    operator = Operator(home.service_account_kubeconfig(SYSTEM, ACCOUNT), tmp_path)
    operator.start()
    release.space.store(tier="Minimal", storage={"deletionPolicy": "Delete"})
    eventually(lambda: release.space.names() == ON_A_VOLUME, within=30)
    release.space.rest(1)

    for what in way:
        remove(what, release, operator)
        if way == ("release", "stores") and what == "release":
            assert json.loads(release.space.kubectl("get", "smem", "-o", "json"))["items"], "stores outlive the release"

    if "namespace" not in way:
        eventually(lambda: not release.space.names(), within=60)
        home.kubectl("delete", "namespace", release.space.name, "--timeout=50s")
    assert not home.kubectl("get", "namespace", release.space.name, "--ignore-not-found")
    assert bool(home.kubectl("get", "crd", CRD, "--ignore-not-found")) is ("crd" not in way)
    ours = home.kubectl(
        "get", "clusterrole,clusterrolebinding", "-o", "name", "-l", "app.kubernetes.io/managed-by=Helm"
    )
    assert not ours

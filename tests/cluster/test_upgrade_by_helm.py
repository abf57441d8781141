"""A release of the first chart goes to this one by the documented command, back, and to this one again.

The chart is `tests/data/upgrade/first-chart`, whose CRD lies beside it; helm is the real one, and so is the API server.
No kubelet runs, so what pods do meanwhile is left to the tests of the node.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Space, eventually
from tests.cluster.test_upgrade import DATA, NAMES, STORED, stores
from tests.harness.build import ensure
from tests.harness.control_plane import ControlPlane
from tests.harness.crds import wait_established
from tests.harness.operator import ACCOUNT, CHART, SYSTEM, Operator
from tests.harness.steps import run

UPGRADE = (DATA.parents[2] / "docs" / "upgrade.md").read_text()


@dataclass(frozen=True)
class Release:
    """A release of the chart on a control plane."""

    plane: ControlPlane
    space: Space
    """Where its stores live."""
    name: str = ACCOUNT
    """Its name, and by that the operator's ServiceAccount's."""
    namespace: str = SYSTEM
    """Its own namespace."""

    def helm(self, *words: str) -> str:
        """What helm says; it must succeed."""
        where = ["--kubeconfig", str(self.plane.kubeconfig), "-n", self.namespace]
        return run([ensure(["helm"])["helm"], *words, *where])

    def deployment(self) -> dict[str, Any]:
        where = ("-n", self.namespace, "-o", "json")
        found: dict[str, Any] = json.loads(self.plane.kubectl("get", "deployment", self.name, *where))
        return found

    def operator(self, folder: Path) -> Operator:
        """What its pod would run: with the flags that the chart gives it, under its account."""
        (container,) = self.deployment()["spec"]["template"]["spec"]["containers"]
        account = self.plane.service_account_kubeconfig(self.namespace, self.name)
        return Operator(account, folder, self.name, container["args"])

    def has_newer_crd(self) -> bool:
        """Whether the CRD has a field that the first one lacks."""
        return '"journal"' in self.plane.kubectl("get", "crd", "memorystores.simplemem.io", "-o", "json")

    def specs(self) -> dict[str, Any]:
        """What the stores' users asked for."""
        return {name: found["spec"] for name, found in stores(self.space).items()}


@pytest.fixture(scope="module")
def first_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first chart, with its CRD as a template."""
    chart = Path(shutil.copytree(DATA / "first-chart", tmp_path_factory.mktemp("first") / CHART.name))
    crd = (DATA / "crd.yaml").read_text().replace("{{", "").replace("}}", "")
    kept = crd.replace("metadata:\n", "metadata:\n  annotations: {helm.sh/resource-policy: keep}\n", 1)
    (chart / "templates" / "crd-memorystore.yaml").write_text(
        f"{{{{- if .Values.crds.enabled }}}}\n{kept}\n{{{{- end }}}}\n"
    )
    return chart


@pytest.fixture(scope="module")
def release(first_chart: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A release of the first chart with values of its user, and the stores of that time."""
    with ControlPlane(tmp_path_factory.mktemp("release")) as plane:
        found = Release(plane, Space(plane, "team-a"))
        flags = ("--set", "resyncSeconds=77", "--set", "podLabels.team=a")
        found.helm("install", ACCOUNT, str(first_chart), "--create-namespace", *flags)
        wait_established(plane, "memorystores.simplemem.io")
        for stored in STORED:
            found.space.kubectl("create", "-f", "-", stdin=json.dumps(stored))
        yield found


def upgrade(release: Release) -> None:
    """The documented command."""
    found = re.search(r"helm upgrade simplemem \S+ (--[-a-z]+)", UPGRADE)
    assert found is not None, "docs/upgrade.md has no command"
    release.helm("upgrade", ACCOUNT, str(CHART), found.group(1))


def test_a_release_of_the_first_chart_goes_to_this_one_and_back(release: Release, tmp_path: Path) -> None:
    before, was = release.specs(), release.deployment()
    assert set(before) == NAMES
    assert not release.has_newer_crd()

    upgrade(release)
    assert release.has_newer_crd()
    now = release.deployment()
    assert now["metadata"]["uid"] == was["metadata"]["uid"]
    assert "--resync-seconds=77" in now["spec"]["template"]["spec"]["containers"][0]["args"]
    assert now["spec"]["template"]["metadata"]["labels"]["team"] == "a"
    assert release.specs() == before

    operator = Operator(release.plane.service_account_kubeconfig(SYSTEM, ACCOUNT), tmp_path)
    operator.start()
    eventually(lambda: all(release.space.condition("WithinBudget", name) for name in NAMES), within=60, every=1)
    operator.stop()

    release.helm("rollback", ACCOUNT, "1")
    assert not release.has_newer_crd()
    assert release.specs() == before
    upgrade(release)
    assert release.has_newer_crd()
    assert release.specs() == before

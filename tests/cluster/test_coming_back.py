"""What the operator needs from the cluster, missing when it starts, lost while it runs, and there again: no restart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.conftest import NUMBERS, Space, eventually
from tests.cluster.test_children import ON_A_VOLUME
from tests.harness.control_plane import ControlPlane
from tests.harness.crds import wait_established
from tests.harness.operator import ACCOUNT, Operator, install_access
from tests.harness.paths import REPOSITORY

Starter = Callable[[Operator], Operator]
CRD = "memorystores.simplemem.io"
UNDER_CARE = "simplemem_operator_stores"
CRD_FILE = REPOSITORY / "crds" / "memorystore.yaml"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("home")) as plane:
        yield plane


@pytest.fixture
def start() -> Iterator[Starter]:
    """Starts operators, which end with the test."""
    with ExitStack() as stack:

        def start(operator: Operator) -> Operator:
            stack.callback(operator.stop)
            operator.start()
            return operator

        yield start


def check_served(home: ControlPlane, operator: Operator) -> Space:
    """A new store gets its children, and the operator is ready."""
    space = Space(home, f"back-{next(NUMBERS)}")
    space.store(tier="Minimal")
    eventually(lambda: space.names() == ON_A_VOLUME)
    eventually(lambda: operator.readyz() == (200, "ok"))
    return space


def test_an_operator_waits_for_the_crd_and_outlives_its_loss(
    home: ControlPlane, start: Starter, tmp_path: Path
) -> None:
    home.kubectl("delete", "crd", CRD, "--ignore-not-found")
    operator = start(Operator(home.kubeconfig, tmp_path))
    for _ in range(2):
        eventually(lambda: operator.readyz()[0] == 503)
        assert "memorystores" in operator.readyz()[1]
        assert operator.healthz() == (200, "ok"), "a restart would not help"
        home.kubectl("apply", "--server-side", "-f", str(CRD_FILE))
        wait_established(home, CRD)
        check_served(home, operator)
        home.kubectl("delete", "crd", CRD, "--timeout=30s")
        eventually(lambda: operator.metrics(UNDER_CARE) == {UNDER_CARE: 0})
    assert operator.process.log.read_text().count("does not serve a kind; install its CRD") == 2


def test_an_operator_waits_for_the_right_to_read_stores(home: ControlPlane, start: Starter, tmp_path: Path) -> None:
    kubeconfig = install_access(home)
    role = json.loads(home.kubectl("get", "clusterrole", ACCOUNT, "-o", "json"))
    rules = [rule for rule in role["rules"] if "memorystores" not in rule["resources"]]
    assert len(rules) < len(role["rules"])
    home.kubectl("patch", "clusterrole", ACCOUNT, "--type=merge", "-p", json.dumps({"rules": rules}))
    operator = start(Operator(kubeconfig, tmp_path))
    eventually(lambda: operator.readyz()[0] == 503)
    assert 'cannot list resource "memorystores"' in operator.readyz()[1]
    install_access(home)
    space = check_served(home, operator)
    space.kubectl("delete", "memorystore", "notes", "--timeout=30s")
    eventually(lambda: operator.metrics(UNDER_CARE) == {UNDER_CARE: 0})

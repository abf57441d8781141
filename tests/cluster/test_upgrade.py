"""Stores of the first version, in a cluster with its CRD, go on when chart and operator of this one come.

The objects are `tests/data/upgrade/stored.yaml`, as that version's API server and operator stored them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import Space, eventually
from tests.cluster.test_children import KEYS
from tests.harness.control_plane import ControlPlane
from tests.harness.crds import apply_crds
from tests.harness.operator import Operator, install_access

DATA = Path(__file__).parents[1] / "data" / "upgrade"
STORED: list[dict[str, Any]] = yaml.safe_load((DATA / "stored.yaml").read_text())
NAMES = {stored["metadata"]["name"] for stored in STORED}
GOOD = {"VolumePending", "PodsNotReady", "PodsFailing", "Reconciling", "Suspended", "SecretMissing", "NotInForce"}
"""Reasons of stores that are reconciled, where no node takes their pods."""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    """A cluster with the first version's CRD and stores."""
    with ControlPlane(tmp_path_factory.mktemp("old")) as plane:
        apply_crds(plane, [DATA / "crd.yaml"])
        space = Space(plane, "team-a")
        space.secret("bucket-keys", **KEYS)
        for stored in STORED:
            space.kubectl("create", "-f", "-", stdin=json.dumps(stored))
            patch = json.dumps({"status": stored["status"]})
            name = stored["metadata"]["name"]
            space.kubectl("patch", "smem", name, "--subresource=status", "--type=merge", "-p", patch)
        yield space


def stores(space: Space) -> dict[str, dict[str, Any]]:
    items = json.loads(space.kubectl("get", "smem", "-o", "json"))["items"]
    return {item["metadata"]["name"]: item for item in items}


def test_stores_of_the_first_version_are_kept_valid_and_reconciled(old: Space, tmp_path: Path) -> None:
    before = stores(old)
    assert set(before) == NAMES
    credentials = install_access(old.plane)
    after = stores(old)
    assert {name: found["spec"] for name, found in after.items()} == {
        name: found["spec"] for name, found in before.items()
    }
    for stored in STORED:
        assert after[stored["metadata"]["name"]]["status"] == stored["status"], "no field of the status is pruned"
    # A write of any kind has the API server validate the whole object by the new CRD.
    old.kubectl("annotate", "smem", "--all", "touched=1")
    old.kubectl("patch", "smem", "minimal", "--type=merge", "-p", json.dumps({"spec": {"retrieval": {"topK": 11}}}))

    operator = Operator(credentials, tmp_path)
    operator.start()

    def reasons() -> dict[str, str]:
        return {name: old.ready(name).get("reason", "") for name in NAMES}

    def are_settled() -> bool:
        conditions = {name: old.condition("WithinBudget", name) for name in NAMES}
        return all(conditions.values())

    eventually(are_settled, within=60, every=1)
    assert set(reasons().values()) <= GOOD, reasons()
    assert {name: found["spec"] | {"retrieval": {}} for name, found in stores(old).items()} == {
        name: found["spec"] | {"retrieval": {}} for name, found in before.items()
    }
    assert "ConfigMap/minimal-config" in old.names()
    operator.stop()

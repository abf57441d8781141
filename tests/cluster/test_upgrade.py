"""Stores of the first version, in a cluster with its CRD, go on when chart and operator of this one come.

The objects are `tests/data/upgrade/stored.yaml`, as that version's API server and operator stored them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import Space, eventually
from tests.cluster.test_children import KEYS
from tests.harness.control_plane import ControlPlane
from tests.harness.crds import apply_crds
from tests.harness.operator import PYTHON, Operator, install_access
from tests.harness.paths import REPOSITORY

BEFORE = "41b5f4148565ba714add84eff2f7dad2eae46c5e"
"""The commit of the operator before this one."""
TEMPLATES = "tests/data/upgrade/templates.yaml"
WITH_PODS = "deployment,statefulset,cronjob"
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


@pytest.fixture
def sources_before(tmp_path: Path) -> Path:
    """The operator before this one, from the history of this checkout."""
    git = [shutil.which("git") or "git", "-C", str(REPOSITORY)]
    if subprocess.run([*git, "cat-file", "-e", f"{BEFORE}^{{commit}}"], capture_output=True, check=False).returncode:
        pytest.skip(f"this checkout's history has no {BEFORE[:7]}")
    archive = [*git, "archive", BEFORE, "crds", "operator", TEMPLATES]
    packed = subprocess.run(archive, capture_output=True, check=True).stdout
    folder = tmp_path / "before"
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    code = "import simplemem_operator as operator, simplemem_api as api; print(operator.__file__, api.__file__)"
    environment = {"PYTHONPATH": f"{folder / 'crds'}:{folder / 'operator'}"}
    found = subprocess.run([PYTHON, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    assert all(path.startswith(str(folder)) for path in found.split()), found
    return folder


def with_pods(space: Space) -> dict[str, dict[str, Any]]:
    """Each child that makes pods, by kind and name."""
    items = json.loads(space.kubectl("get", WITH_PODS, "-o", "json"))["items"]
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in items}


def changed_since(sources: Path) -> set[str]:
    """The children whose pods this version rolls for a reason that is told."""
    known = {entry["reason"] for entry in yaml.safe_load((sources / TEMPLATES).read_text())["changed"]}
    entries = yaml.safe_load((REPOSITORY / TEMPLATES).read_text())["changed"]
    return {name for entry in entries if entry["reason"] not in known for name in entry["templates"]}


def test_the_operator_before_this_one_is_followed_without_a_roll(
    bare_space: Space, bare_credentials: Path, sources_before: Path, tmp_path: Path
) -> None:
    bare_space.secret("bucket-keys", **KEYS)
    for stored in STORED:
        bare_space.kubectl("create", "-f", "-", stdin=json.dumps(stored))
    flags = ["--namespace", bare_space.name]
    before = Operator(bare_credentials, tmp_path, "before", flags, sources_before)
    before.start()
    eventually(lambda: all(bare_space.condition("WithinBudget", name) for name in NAMES), within=90, every=1)
    bare_space.rest()
    # It may come later than the rest, and is no doing of the next operator.
    eventually(bare_space.have_scaled, within=60, every=1)
    before.stop()
    made = with_pods(bare_space)
    assert len(made) > len(NAMES)
    after = Operator(bare_credentials, tmp_path, "after", flags)
    after.start()
    passes = "simplemem_operator_reconcile_seconds_count"
    eventually(lambda: after.metrics(passes)[passes] >= len(NAMES), within=60)
    bare_space.rest(10)
    after.stop()
    now = with_pods(bare_space)
    assert now.keys() == made.keys()
    allowed = changed_since(sources_before)
    for name, child in now.items():
        assert child["metadata"]["uid"] == made[name]["metadata"]["uid"]
        if name not in allowed:
            assert child["spec"] == made[name]["spec"], name
            assert child["metadata"]["generation"] == made[name]["metadata"]["generation"]

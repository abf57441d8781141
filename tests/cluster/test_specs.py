"""The API server itself refuses every bad spec with the words that say what must hold, and takes every good one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import Space, eventually
from tests.harness.control_plane import ControlPlane
from tests.harness.errors import HarnessError

DATA = Path(__file__).parents[1] / "data"
BAD = yaml.safe_load((DATA / "bad_specs.yaml").read_text())
GOOD = yaml.safe_load((DATA / "good_specs.yaml").read_text())


def manifest(spec: Any, name: str) -> str:
    store = {"apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore", "metadata": {"name": name}}
    return yaml.safe_dump(store if spec is None else store | {"spec": spec})


@pytest.fixture(scope="module")
def specs(plane: ControlPlane, credentials: Path) -> Space:
    assert credentials.is_file()
    return Space(plane, "specs")


def refusal(specs: Space, verb: str, text: str) -> str:
    """What the server says to a bad spec; nothing where the operator wrote between kubectl's read and its write."""
    with pytest.raises(HarnessError) as caught:
        specs.kubectl(verb, "--validate=strict", "-f", "-", stdin=text)
    words = str(caught.value)
    return "" if "the object has been modified" in words else words


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["name"])
def test_a_bad_spec_is_refused(specs: Space, case: dict[str, Any]) -> None:
    name = case["name"][:40].rstrip("-")
    if "before" in case:
        specs.kubectl("create", "-f", "-", stdin=manifest(case["before"], name))
    text = manifest(case["spec"], name)
    words = eventually(lambda: refusal(specs, "replace" if "before" in case else "create", text))
    assert case["server"] in words


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["name"])
def test_a_good_spec_is_accepted(specs: Space, case: dict[str, Any]) -> None:
    flags = ["--validate=strict", "--dry-run=server"]
    answer = specs.kubectl("create", *flags, "-f", "-", stdin=manifest(case["spec"], "good"))
    assert "created" in answer


@pytest.mark.parametrize("name", ["1notes", "a" * 41])
def test_a_name_that_no_service_could_have_is_refused(specs: Space, name: str) -> None:
    with pytest.raises(HarnessError, match=r"metadata\.name must begin with a letter"):
        specs.kubectl("create", "-f", "-", stdin=manifest({}, name))


def test_the_tier_is_filled_in(specs: Space) -> None:
    specs.kubectl("create", "-f", "-", stdin=manifest({}, "plain"))
    found = eventually(lambda: specs.get("smem", "plain"))
    assert found["spec"] == {"tier": "CostEffective"}


def test_every_status_field_survives_the_server(specs: Space) -> None:
    specs.kubectl("create", "-f", "-", stdin=manifest({"tier": "Minimal"}, "status"))
    condition = {"type": "Ready", "status": "True", "observedGeneration": 1, "reason": "Ready", "message": "m"}
    status: dict[str, Any] = {
        "observedGeneration": 1,
        "conditions": [condition | {"lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "tier": "Minimal", "endpoint": "http://x", "access": "a", "replicas": 1, "selector": "a=b",
        "embedding": {"model": "m", "dimension": 384},
        "entries": 1, "storageBytes": 2, "pendingTurns": 3, "lastBackupTime": "2026-01-01T00:00:00Z",
        "writePath": {"lastSuccessTime": "2026-01-01T00:00:00Z", "latencyMilliseconds": 5},
        "cost": {
            "monthlyUSD": "1.00", "items": [{"name": "n", "monthlyUSD": "1.00", "basis": "b"}], "catalogue": "c",
            "measured": {
                "month": "2026-01", "asOf": "2026-01-01T00:00:00Z", "usd": "0.50",
                "items": [{"name": "n", "usd": "0.50", "basis": "b"}],
                "meters": [{"name": "up", "hours": "1.000", "running": 1}],
            },
        },
        "load": {"days": 7, "turnsPerMonth": 8, "queriesPerMonth": 9},
        "recommendation": {"tier": "Minimal", "reason": "r"},
    }  # fmt: skip
    patch = json.dumps({"status": status})
    # The answer to the patch itself: an operator may write its own view a moment later.
    flags = ["--subresource=status", "--type=merge", "-o", "json"]
    found = json.loads(specs.kubectl("patch", "smem", "status", *flags, "-p", patch))
    assert found["status"] | {"conditions": status["conditions"]} == status
    assert status["conditions"][0] in found["status"]["conditions"]

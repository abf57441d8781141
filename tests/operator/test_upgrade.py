"""An operator of this version meets stores of the first: their pods stay, and their status can be read."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from simplemem_api.load import parse_store
from simplemem_api.resolve import resolve
from simplemem_api.resolved import ResolvedStore
from simplemem_api.secret_names import backup_secrets_of, secrets_of
from simplemem_operator.builders import build_children
from simplemem_operator.conditions import Findings
from simplemem_operator.models.desired import Desired, Images, Surroundings
from simplemem_operator.models.observed import Observed
from simplemem_operator.status import build_status

DATA = Path(__file__).parents[1] / "data" / "upgrade"
STORED: list[dict[str, Any]] = yaml.safe_load((DATA / "stored.yaml").read_text())
KNOWN: dict[str, Any] = yaml.safe_load((DATA / "templates.yaml").read_text())
IMAGES = Images("example.com/simplemem-service:1", redis="example.com/redis:7")
NAMES = [stored["metadata"]["name"] for stored in STORED]


def read(stored: dict[str, Any]) -> ResolvedStore:
    metadata = stored["metadata"] | {"namespace": "team-a"}
    return resolve(parse_store({**stored, "metadata": metadata}))


def templates() -> dict[str, str]:
    """Hash of every pod template, by kind and name."""
    found: dict[str, str] = {}
    for store in map(read, STORED):
        hashes = dict.fromkeys({**secrets_of(store), **backup_secrets_of(store)}, "0123456789abcdef")
        for child in build_children(Desired(store, "u", IMAGES, hashes, Surroundings("simplemem-system"))):
            spec = child.get("spec", {})
            template = spec.get("template") or spec.get("jobTemplate", {}).get("spec", {}).get("template")
            if template:
                text = json.dumps(template, sort_keys=True)
                found[f"{child['kind']}/{child['metadata']['name']}"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found


def test_an_upgrade_rolls_no_pods_but_for_a_reason_that_is_told() -> None:
    expected = dict(KNOWN["baseline"])
    for change in KNOWN["changed"]:
        assert change["reason"]
        expected |= change["templates"]
    assert templates() == expected


def test_a_reason_is_told_for_real_changes_alone() -> None:
    before = dict(KNOWN["baseline"])
    for change in KNOWN["changed"]:
        same = {name for name, found in change["templates"].items() if before.get(name) == found}
        assert not same
        before |= change["templates"]


@pytest.mark.parametrize("stored", STORED, ids=NAMES)
def test_a_status_of_before_is_gone_on_with(stored: dict[str, Any]) -> None:
    status = build_status(Findings(read(stored), Observed(())), 2, stored["status"], datetime.now(UTC))
    kept = {found["type"]: found for found in stored["status"]["conditions"]}
    assert {found["type"] for found in status["conditions"]} >= set(kept)
    assert status["tier"] == stored["status"]["tier"]

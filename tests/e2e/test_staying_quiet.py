"""Stores on a volume, restored and in a bucket with an autoscaler, long after their last turn: nothing is written."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e import kube
from tests.e2e.stores import needs_node, wait_ready
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]

FIGURES_SECONDS = 150
"""Time within which a pod reads the size of a bucket again (two minutes), and tells it."""
STORES = (("kept", "team-r"), ("again", "team-r"), ("busy", "team-c"))
"""Of the tests of restoring and of scaling."""
KINDS = "memorystores,deployments,statefulsets,services,configmaps,serviceaccounts,networkpolicies,pvc,pdb"


def objects(*flags: str) -> list[dict[str, Any]]:
    """All objects of the stores, so that a difference shows what was written."""
    found = [item for where in {where for _, where in STORES} for item in kube.listed(KINDS, where, "", *flags)]
    return [item for item in found if item["metadata"]["name"] != "kube-root-ca.crt"]


def seconds_since_a_write() -> float:
    """Age of the last change of any of them, as the API server noted it."""
    noted = objects("--show-managed-fields")
    times = [field["time"] for item in noted for field in item["metadata"].get("managedFields", ())]
    return (datetime.now(UTC) - max(datetime.fromisoformat(time) for time in times)).total_seconds()


def proven(name: str, where: str) -> str:
    """Status of the condition WritePathHealthy."""
    return str(kube.condition(kube.get("memorystore", name, where) or {}, "WritePathHealthy").get("status"))


def read() -> dict[str, dict[str, Any]]:
    """The objects by name."""
    return {f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}": item for item in objects()}


def test_nothing_is_written_while_nothing_changes() -> None:
    for name, where in STORES:
        wait_ready(name, where)
    # What was remembered and compacted reaches the status at the next looks; after that, quiet.
    with step("figures of what was remembered have reached the status"):
        kube.eventually(
            lambda: seconds_since_a_write() > FIGURES_SECONDS, within=600, what=f"no write for {FIGURES_SECONDS} s"
        )
    before = read()
    with step("60 quiet seconds"):
        time.sleep(60)
    after = read()
    for name, item in after.items():
        assert item == before.get(name), name
    assert after.keys() == before.keys()
    with step("their write paths have been proven by turns written and searched back"):
        kube.eventually(lambda: {proven(*store) for store in STORES} == {"True"}, within=330, what="WritePathHealthy")
    kube.kubectl("delete", "namespace", "team-r", "--timeout=120s")

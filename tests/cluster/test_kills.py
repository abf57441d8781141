"""An operator that is killed at any of its writes leaves what the next one completes.

Killed when the server has written and the operator does not know it yet: at the first write, the second, and so on,
until it comes through.
"""

from __future__ import annotations

import itertools
import re
import time
from typing import Any

import pytest

from tests.cluster.conftest import Rig, eventually
from tests.cluster.test_children import KEYS, ON_A_VOLUME, S3
from tests.harness.fault_proxy import Request
from tests.harness.operator import Operator

SMALL: dict[str, Any] = {"tier": "CostEffective", "storage": S3, "retrieval": {"replicas": 1}}
"""It names a number, so that the one of an autoscaler that has had time to ask for more is not kept."""
LARGE: dict[str, Any] = {"tier": "Enterprise", "storage": S3}
"""With autoscaler, disruption budget, GPU pods and a Redis Cluster beside the pods of the small one."""
STORES = 20
QUIET_SECONDS = 10
LEAST_WRITES = 6
"""A change between the two is more than so many."""


def test_a_store_is_made_whole(rig: Rig) -> None:
    for number in itertools.count(1):
        name = f"notes-{number}"
        rig.space.store(name, tier="Minimal")
        rig.proxy.after = killer(rig.operator, name, number)
        rig.operator.process.start()
        if has_survived(rig, name, whole(name)):
            break
    rig.proxy.after = lambda _: None
    assert number > len(ON_A_VOLUME)
    for passed in range(1, number + 1):
        name = f"notes-{passed}"
        rig.space.settled(name)
        assert children(rig, name) == whole(name)
        assert (rig.space.get("deployment", f"{name}-retrieval") or {})["metadata"]["generation"] == 1


@pytest.mark.parametrize(("before", "after"), [(SMALL, LARGE), (LARGE, SMALL)], ids=["growing", "shrinking"])
def test_a_change_of_tier_is_completed(rig: Rig, before: dict[str, Any], after: dict[str, Any]) -> None:
    rig.space.secret("bucket-keys", **KEYS)
    rig.operator.start()
    for name, spec in (("old", before), ("new", after)):
        rig.space.store(name, **spec)
        rig.space.settled(name)
    old, new = children(rig, "old"), children(rig, "new")
    assert len(old ^ new) > LEAST_WRITES

    for number in itertools.count(1):
        name = f"notes-{number}"
        wanted = {child.replace("new", name) for child in new}
        if not rig.operator.process.is_running:
            rig.operator.process.start()
        rig.space.store(name, **before)
        assert has_survived(rig, name, {child.replace("old", name) for child in old})
        rig.proxy.after = killer(rig.operator, name, number)
        rig.space.store(name, **after)
        has_come_through = has_survived(rig, name, wanted)
        rig.proxy.after = lambda _: None
        if has_come_through:
            break
    assert number > LEAST_WRITES
    for passed in range(1, number + 1):
        name = f"notes-{passed}"
        rig.space.settled(name)
        assert children(rig, name) == {child.replace("new", name) for child in new}


def whole(name: str) -> set[str]:
    return {child.replace("notes", name) for child in ON_A_VOLUME}


def children(rig: Rig, store: str) -> set[str]:
    return {found for found in rig.space.names() if is_of(store, found.partition("/")[2])}


def is_of(store: str, name: str) -> bool:
    return name == store or name.startswith(f"{store}-")


def killer(operator: Operator, name: str, at: int) -> Any:
    """Kills at that write to a store or its children."""
    count = itertools.count(1)

    def after(request: Request) -> None:
        found = re.search(r"/([^/?]+)(/status)?(\?|$)", request.path)
        if request.is_write and found and is_of(name, found.group(1)) and next(count) == at:
            operator.process.kill()

    return after


def has_survived(rig: Rig, name: str, wanted: set[str]) -> bool:
    """Whether the operator has brought a store to its end, rather than died on the way."""

    def is_seen() -> bool:
        found = rig.space.get("smem", name) or {}
        seen = found.get("status", {}).get("observedGeneration")
        return seen == found["metadata"]["generation"] and children(rig, name) == wanted

    eventually(lambda: not rig.operator.process.is_running or is_seen())
    return rig.operator.process.is_running


def test_a_restart_with_nothing_to_do_writes_nothing(rig: Rig) -> None:
    rig.space.secret("bucket-keys", **KEYS)
    rig.operator.start()
    for number in range(STORES):
        rig.space.store(f"notes-{number}", **(LARGE if number % 2 else {"tier": "Minimal"}))
    for number in range(STORES):
        rig.space.settled(f"notes-{number}")
    rig.space.rest(5)
    before = rig.space.writes()
    rig.operator.stop()
    rig.operator.start()
    time.sleep(QUIET_SECONDS)
    assert rig.space.writes() == before

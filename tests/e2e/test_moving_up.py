"""A store with memories goes up from Minimal on its volume, then into a bucket, as it is told, and back on a volume.

Runs after the main job, whose release reconciles it; the store goes at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e import kube
from tests.e2e.stores import (
    SMALL,
    Memory,
    bucket,
    create_bucket_keys,
    entries,
    finish,
    memories,
    namespace,
    needs_node,
    parcels,
    search,
    simplemem,
    store,
    tell,
    wait_ready,
)
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]

WHERE, NAME, TURNS = "team-m", "moving", 40
MODEL = {"model": "all-MiniLM-L6-v2"}
QUESTION = "On which shelf is parcel 7?"


@pytest.fixture
def remembered() -> Iterator[list[Memory]]:
    """All entries of a Minimal store."""
    kube.apply(namespace(WHERE))
    create_bucket_keys(WHERE)
    kube.apply(store(NAME, WHERE, tier="Minimal", storage={"pvc": {"size": "1Gi"}}, embedding=MODEL))
    with step(f"MemoryStore {WHERE}/{NAME}: Ready as Minimal"):
        wait_ready(NAME, WHERE)
    url = kube.service_url(NAME, WHERE)
    turns = parcels(0, TURNS)
    with httpx.Client(base_url=url, timeout=60) as client:
        tell(client, turns, "u")
    found = memories(url, "u")
    assert {source for _, sources in found for source in sources} == {turn["id"] for turn in turns}
    yield found
    kube.kubectl("delete", "namespace", WHERE, "--timeout=120s")


def is_all_found(remembered: list[Memory]) -> bool:
    """Whether every memory is there, and a search finds the one that it asks for; not while the pod is replaced."""
    url = kube.service_url(NAME, WHERE)
    try:
        results = search(url, QUESTION, "u", top_k=1)
        return "parcel 7 " in results[0]["lossless_restatement"] and memories(url, "u") == remembered
    except (httpx.HTTPError, LookupError):
        return False


def change(url: str, remembered: list[Memory]) -> list[Memory]:
    """Tell a store of more parcels, have it forget one, and all that it remembers then."""
    turns = parcels(TURNS, 10)
    forgotten = parcels(3, 1)[0]["id"]
    with httpx.Client(base_url=url, timeout=60) as client:
        tell(client, turns, "u", "t")
        (entry,) = (entry for entry in entries(url, "u") if forgotten in entry["sources"])
        answer = client.delete(f"/v1/entries/{entry['entry_id']}").raise_for_status()
        assert finish(client, answer.json()["operation_id"])["state"] == "Succeeded"
    found = memories(url, "u")
    sources = {source for _, sources in found for source in sources}
    assert sources == {turn["id"] for turn in [*parcels(0, TURNS), *turns]} - {forgotten}
    assert len(found) == len(remembered) + 9
    return found


def is_followed() -> bool:
    """Whether the operator has seen the last edit, and the pods that it asked for answer."""
    found = live()
    is_seen = found["status"].get("observedGeneration") == found["metadata"]["generation"]
    return is_seen and kube.condition(found, "RetrievalReady").get("status") == "True"


def live() -> dict[str, Any]:
    found = kube.get("memorystore", NAME, WHERE)
    assert found is not None
    return found


def is_asked_to_move() -> bool:
    return kube.condition(live(), "StorageReady").get("reason") == "MigrationRequired"


def move(copy: Path) -> None:
    """Take the data along, by the commands that the store's condition has."""
    message = kube.condition(live(), "StorageReady")["message"]
    annotate = re.search(r"`kubectl (-n \S+ annotate [^`]+)`", message)
    assert annotate is not None, message
    url = kube.service_url(NAME, WHERE)
    simplemem("export", "-o", str(copy), SIMPLEMEM_URL=url)
    kube.kubectl(*annotate.group(1).split())
    kube.eventually(lambda: not is_asked_to_move(), within=60, what="the other place")
    kube.eventually(is_followed, within=120, what="pods of the new place")
    wait_ready(NAME, WHERE)
    simplemem("import", str(copy), SIMPLEMEM_URL=url)


def test_a_store_goes_up_a_tier_and_into_a_bucket_and_back_with_all_it_remembers(
    remembered: list[Memory], tmp_path: Path
) -> None:
    kube.apply(store(NAME, WHERE, tier="Hybrid", storage={"pvc": {"size": "1Gi"}}, embedding=MODEL))
    with step("Minimal -> Hybrid: the same pod, GPU pods when there is much to embed, nothing forgotten"):
        kube.eventually(lambda: kube.get("statefulset", f"{NAME}-embedding", WHERE), within=60, what="embedding pods")
        kube.eventually(is_followed, within=120, what="a pod of the new tier")
        assert wait_ready(NAME, WHERE)["status"]["tier"] == "Hybrid"
        kube.eventually(lambda: is_all_found(remembered), within=30, what="all that was remembered")

    asked = store(NAME, WHERE, tier="CostEffective", storage={"s3": bucket(prefix="moved")}, embedding=MODEL)
    kube.apply(asked)
    with step("Hybrid -> CostEffective in a bucket: it says what to do, and serves on from its volume"):
        kube.eventually(is_asked_to_move, within=60, what="MigrationRequired")
        kube.eventually(is_followed, within=120, what="a pod of the new tier")
        kube.eventually(lambda: is_all_found(remembered), within=30, what="all that was remembered")
    with step("export, annotate, import, as the message says"):
        move(tmp_path / "from-the-volume.jsonl")
    kube.eventually(lambda: is_all_found(remembered), within=60, what="all that was remembered")
    assert kube.get("statefulset", f"{NAME}-embedding", WHERE) is None
    assert kube.get("deployment", f"{NAME}-ingest", WHERE) is not None, "its own writer"
    assert kube.get("pvc", f"{NAME}-data", WHERE) is not None, "the data of before stays until its owner removes it"
    assert live()["spec"]["pods"]["resources"] == SMALL

    with step("in the bucket it learns and forgets"):
        left = change(kube.service_url(NAME, WHERE), remembered)
    kube.apply(store(NAME, WHERE, tier="Minimal", storage={"pvc": {"size": "1Gi"}}, embedding=MODEL))
    kube.eventually(is_asked_to_move, within=60, what="MigrationRequired")
    with step("CostEffective -> Minimal on a new volume: the old one removed, the same commands"):
        kube.kubectl("delete", "pvc", f"{NAME}-data", "-n", WHERE, "--timeout=60s")
        move(tmp_path / "from-the-bucket.jsonl")
    kube.eventually(lambda: is_all_found(left), within=60, what="all that was remembered, and nothing else")
    assert kube.get("deployment", f"{NAME}-ingest", WHERE) is None, "a volume has one pod"

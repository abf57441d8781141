"""A store with memories goes up from Minimal: first the tier on its volume, then its data into a bucket, as it is told.

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
    finish,
    memories,
    namespace,
    needs_node,
    parcels,
    search,
    simplemem,
    store,
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
        answer = client.post("/v1/turns", json={"user_id": "u", "session_id": "s", "turns": turns}).raise_for_status()
        assert finish(client, answer.json()["operation_id"])["state"] == "Succeeded"
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


def is_followed() -> bool:
    """Whether the operator has seen the last edit, and the pods that it asked for answer."""
    found = live()
    is_seen = found["status"].get("observedGeneration") == found["metadata"]["generation"]
    return is_seen and kube.condition(found, "RetrievalReady").get("status") == "True"


def live() -> dict[str, Any]:
    found = kube.get("memorystore", NAME, WHERE)
    assert found is not None
    return found


def test_a_store_goes_up_a_tier_and_into_a_bucket_with_all_it_remembers(
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
        kube.eventually(
            lambda: kube.condition(live(), "StorageReady").get("reason") == "MigrationRequired",
            within=60,
            what="MigrationRequired",
        )
        kube.eventually(is_followed, within=120, what="a pod of the new tier")
        kube.eventually(lambda: is_all_found(remembered), within=30, what="all that was remembered")
    message = kube.condition(live(), "StorageReady")["message"]
    annotate = re.search(r"`kubectl (-n \S+ annotate [^`]+)`", message)
    assert annotate is not None, message
    copy = tmp_path / "memories.jsonl"
    with step("export, annotate, import, as the message says"):
        url = kube.service_url(NAME, WHERE)
        simplemem("export", "-o", str(copy), SIMPLEMEM_URL=url)
        kube.kubectl(*annotate.group(1).split())
        kube.eventually(lambda: kube.get("deployment", f"{NAME}-ingest", WHERE), within=60, what="the writer")
        kube.eventually(is_followed, within=120, what="pods of the new place")
        wait_ready(NAME, WHERE)
        simplemem("import", str(copy), SIMPLEMEM_URL=url)
    kube.eventually(lambda: is_all_found(remembered), within=60, what="all that was remembered")
    assert kube.get("statefulset", f"{NAME}-embedding", WHERE) is None
    assert kube.get("pvc", f"{NAME}-data", WHERE) is not None, "the data of before stays until its owner removes it"
    assert live()["spec"]["pods"]["resources"] == SMALL

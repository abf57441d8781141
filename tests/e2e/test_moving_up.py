"""A store with memories goes up from Minimal: first the tier on its volume, then its data into a bucket, as it is told.

Runs after the main job, whose release reconciles it; the store goes at the end.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e import kube
from tests.e2e.stores import (
    SMALL,
    bucket,
    create_bucket_keys,
    finish,
    namespace,
    needs_node,
    parcels,
    search,
    store,
    wait_ready,
)
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]

ROOT = Path(__file__).resolve().parents[2]
WHERE, NAME, TURNS = "team-m", "moving", 40
MODEL = {"model": "all-MiniLM-L6-v2"}
QUESTION = "On which shelf is parcel 7?"


@pytest.fixture
def remembered() -> Iterator[list[str]]:
    """Texts that a Minimal store finds for the question."""
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
    found = texts()
    assert any("parcel 7 " in text for text in found)
    yield found
    kube.kubectl("delete", "namespace", WHERE, "--timeout=120s")


def texts() -> list[str]:
    """What is found; nothing while the pod is replaced."""
    try:
        found = search(kube.service_url(NAME, WHERE), QUESTION, "u")
    except httpx.HTTPError:
        return []
    return sorted(str(result["lossless_restatement"]) for result in found)


def is_followed() -> bool:
    """Whether the operator has seen the last edit, and the pods that it asked for answer."""
    found = live()
    is_seen = found["status"].get("observedGeneration") == found["metadata"]["generation"]
    return is_seen and kube.condition(found, "RetrievalReady").get("status") == "True"


def live() -> dict[str, Any]:
    found = kube.get("memorystore", NAME, WHERE)
    assert found is not None
    return found


def simplemem(*words: str) -> None:
    """The command line, as a user of the store runs it."""
    program = ROOT / ".venv" / "service" / "bin" / "simplemem"
    environment = {**os.environ, "SIMPLEMEM_URL": kube.service_url(NAME, WHERE)}
    done = subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_store_goes_up_a_tier_and_into_a_bucket_with_all_it_remembers(remembered: list[str], tmp_path: Path) -> None:
    kube.apply(store(NAME, WHERE, tier="Hybrid", storage={"pvc": {"size": "1Gi"}}, embedding=MODEL))
    with step("Minimal -> Hybrid: the same pod, GPU pods when there is much to embed, nothing forgotten"):
        kube.eventually(lambda: kube.get("statefulset", f"{NAME}-embedding", WHERE), within=60, what="embedding pods")
        kube.eventually(is_followed, within=120, what="a pod of the new tier")
        assert wait_ready(NAME, WHERE)["status"]["tier"] == "Hybrid"
        kube.eventually(lambda: texts() == remembered, within=30, what="all that was remembered")

    asked = store(NAME, WHERE, tier="CostEffective", storage={"s3": bucket(prefix="moved")}, embedding=MODEL)
    kube.apply(asked)
    with step("Hybrid -> CostEffective in a bucket: it says what to do, and serves on from its volume"):
        kube.eventually(
            lambda: kube.condition(live(), "StorageReady").get("reason") == "MigrationRequired",
            within=60,
            what="MigrationRequired",
        )
        kube.eventually(is_followed, within=120, what="a pod of the new tier")
        kube.eventually(lambda: texts() == remembered, within=30, what="all that was remembered")
    message = kube.condition(live(), "StorageReady")["message"]
    annotate = re.search(r"`kubectl (-n \S+ annotate [^`]+)`", message)
    assert annotate is not None, message
    copy = tmp_path / "memories.jsonl"
    with step("export, annotate, import, as the message says"):
        simplemem("export", "-o", str(copy))
        kube.kubectl(*annotate.group(1).split())
        kube.eventually(lambda: kube.get("deployment", f"{NAME}-ingest", WHERE), within=60, what="the writer")
        kube.eventually(is_followed, within=120, what="pods of the new place")
        wait_ready(NAME, WHERE)
        simplemem("import", str(copy))
    kube.eventually(lambda: texts() == remembered, within=60, what="all that was remembered")
    assert kube.get("statefulset", f"{NAME}-embedding", WHERE) is None
    assert kube.get("pvc", f"{NAME}-data", WHERE) is not None, "the data of before stays until its owner removes it"
    assert live()["spec"]["pods"]["resources"] == SMALL

"""The number of pods: of embedding pods by what waits, of the others by the autoscaler alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.conftest import Fleet, Space, eventually

GPU = {"gpu": {"maxReplicas": 3, "idleSeconds": 10}}


@pytest.fixture
def figures(town: Space, fleet: Fleet) -> Iterator[dict[str, int]]:
    """What the pods of the town say besides."""
    fleet.answerer.more_figures[town.name] = {}
    yield fleet.answerer.more_figures[town.name]
    del fleet.answerer.more_figures[town.name]


def replicas(space: Space) -> int:
    found = space.get("statefulset", "notes-embedding")
    return int(found["spec"]["replicas"]) if found else -1


def idle_since(space: Space) -> str:
    found = space.get("statefulset", "notes-embedding") or {}
    annotations: dict[str, str] = found.get("metadata", {}).get("annotations", {})
    return annotations.get("simplemem.io/idle-since", "")


def message(space: Space) -> str:
    return str(space.condition("EmbeddingReady").get("message", ""))


def test_gpu_pods_come_with_a_backlog_stay_without_a_write_and_go_when_idle(
    town: Space, figures: dict[str, int]
) -> None:
    town.store(tier="Hybrid", embedding=GPU)
    eventually(lambda: town.ready().get("status") == "True")
    assert replicas(town) == 0
    assert "0 of 0 GPU pods ready" in message(town)
    figures.update(pending_turns=45_000, oldest_pending_seconds=5)
    eventually(lambda: "3 of 3 GPU pods ready" in message(town))
    assert replicas(town) == 3
    assert town.ready()["status"] == "True"
    before = len(town.writes())
    # Less waits, and not nothing: the number stays.
    figures.update(pending_turns=2_000, oldest_pending_seconds=61)
    eventually(lambda: (town.get("smem", "notes") or {})["status"]["pendingTurns"] == 2_000)
    assert {line.split()[1] for line in town.writes()[before:]} == {"memorystores/notes"}
    assert replicas(town) == 3
    figures.update(pending_turns=0, oldest_pending_seconds=0)
    since = eventually(lambda: idle_since(town))
    eventually(lambda: replicas(town) == 0)
    assert since
    assert idle_since(town) == ""
    assert town.ready()["status"] == "True"
    # Few turns wait, and one of them for longer than it should.
    figures.update(pending_turns=1, oldest_pending_seconds=59)
    eventually(lambda: (town.get("smem", "notes") or {})["status"]["pendingTurns"] == 1)
    assert replicas(town) == 0
    figures.update(oldest_pending_seconds=61)
    eventually(lambda: replicas(town) == 1)


def test_a_backlog_that_waits_for_something_else_starts_no_gpu(
    town: Space, fleet: Fleet, figures: dict[str, int]
) -> None:
    refused = {"ok": False, "reason": "IngestFailing", "message": "the language model is away"}
    fleet.answerer.failing[town.name] = {"ingest": refused}
    figures.update(pending_turns=45_000, oldest_pending_seconds=900)
    town.store(tier="Hybrid", embedding=GPU)
    eventually(lambda: town.condition("IngestHealthy").get("status") == "False")
    time.sleep(6)
    assert replicas(town) == 0
    del fleet.answerer.failing[town.name]
    eventually(lambda: replicas(town) == 3)


def test_gpu_pods_keep_their_number_while_the_store_is_edited_and_go_with_suspend(
    town: Space, figures: dict[str, int]
) -> None:
    figures.update(pending_turns=25_000)
    town.store(tier="Hybrid", embedding=GPU)
    eventually(lambda: replicas(town) == 2)
    town.patch("smem", "notes", {"spec": {"retrieval": {"topK": 7}}})
    town.settled()
    assert replicas(town) == 2
    town.patch("smem", "notes", {"spec": {"suspend": True}})
    eventually(lambda: replicas(town) == 0)
    town.patch("smem", "notes", {"spec": {"suspend": False, "embedding": {"device": "CPU", "gpu": None}}})
    eventually(lambda: replicas(town) == -1)
    selector = "app.kubernetes.io/component=embedding"
    assert json.loads(town.kubectl("get", "service,statefulset", "-l", selector, "-o", "json"))["items"] == []


def test_more_metrics_reach_the_autoscaler_as_they_are_and_are_written_once(town: Space, fleet: Fleet) -> None:
    town.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    target = {"type": "AverageValue", "averageValue": "0.1"}
    metric = {"type": "Pods", "pods": {"metric": {"name": "simplemem_retrieve_p95_seconds"}, "target": target}}
    town.store(
        storage={"s3": {"bucket": "memories", "credentialsSecretName": "bucket-keys"}},
        autoscaling={"minReplicas": 2, "maxReplicas": 4, "metrics": [metric]},
    )
    eventually(lambda: town.ready().get("status") == "True", within=60)
    autoscaler = town.get("hpa", "notes-retrieval") or {}
    assert [found["type"] for found in autoscaler["spec"]["metrics"]] == ["Resource", "Pods"]
    assert autoscaler["spec"]["metrics"][1]["pods"]["target"]["averageValue"] == "100m"
    eventually(lambda: town.condition("RetrievalReady").get("message") == "2 of 2 pods answer", within=60)
    town.rest()
    before = len(town.writes())
    town.kubectl("annotate", "deployment", "notes-retrieval", "somebody=else")
    time.sleep(3)
    assert town.writes()[before:] == []


def test_the_scale_subresource_sets_the_number_and_nobody_takes_it_back(town: Space) -> None:
    town.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    storage = {"s3": {"bucket": "memories", "credentialsSecretName": "bucket-keys"}}
    town.store(tier="GPUAccelerated", storage=storage, retrieval={"replicas": 3})
    eventually(lambda: town.ready().get("status") == "True", within=60)
    assert "HorizontalPodAutoscaler/notes-retrieval" not in town.names()
    # As KEDA does it: through /scale of the MemoryStore.
    town.kubectl("scale", "smem", "notes", "--replicas=5")

    def answering() -> int:
        found = town.get("deployment", "notes-retrieval") or {}
        return int(found.get("status", {}).get("readyReplicas", 0))

    eventually(lambda: answering() == 5)
    town.patch("smem", "notes", {"spec": {"suspend": True}})
    eventually(lambda: answering() == 0)
    town.patch("smem", "notes", {"spec": {"suspend": False}})
    eventually(lambda: answering() == 5)


def test_a_store_with_an_autoscaler_wakes_with_the_fewest_pods(town: Space) -> None:
    town.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    scaled: dict[str, Any] = {
        "tier": "CostEffective",
        "storage": {"s3": {"bucket": "memories", "credentialsSecretName": "bucket-keys"}},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 4},
    }

    def pods() -> int:
        found = town.get("deployment", "notes-retrieval")
        return int(found["spec"]["replicas"]) if found else -1

    # Asleep from the first day on: nothing has ever said a number.
    town.store(**scaled, suspend=True)
    eventually(lambda: town.ready().get("reason") == "Suspended")
    for _ in range(2):
        town.patch("smem", "notes", {"spec": {"suspend": False}})
        eventually(lambda: town.ready().get("status") == "True" and pods() == 2, within=60)
        town.patch("smem", "notes", {"spec": {"suspend": True}})
        eventually(lambda: pods() == 0)

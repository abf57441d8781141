"""Every default comes from the tier, and every field overrides it."""

from __future__ import annotations

from typing import Any

import pytest

from simplemem_api.in_force import backup_in_force, blocking_reason, not_in_force
from simplemem_api.load import parse_store
from simplemem_api.resolve import resolve
from simplemem_api.resolved import ResolvedStore, StorageKind

S3 = {"s3": {"bucket": "abc"}}


def resolved(**spec: Any) -> ResolvedStore:
    metadata = {"name": "notes", "namespace": "team-a"}
    store = {"apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore", "metadata": metadata, "spec": spec}
    return resolve(parse_store(store))


@pytest.mark.parametrize(
    ("tier", "model", "dimension", "lexical", "replicas"),
    [
        ("Minimal", "all-MiniLM-L6-v2", 384, "RankBM25", 1),
        ("CostEffective", "all-mpnet-base-v2", 768, "Tantivy", 1),
        ("GPUAccelerated", "bge-large-en-v1.5", 1024, "Tantivy", 3),
        ("Enterprise", "bge-large-en-v1.5", 1024, "Tantivy", 6),
        ("Hybrid", "all-mpnet-base-v2", 768, "Tantivy", 1),
    ],
)
def test_a_tier_fills_in_its_row(tier: str, model: str, dimension: int, lexical: str, replicas: int) -> None:
    storage = {"storage": S3} if tier in ("GPUAccelerated", "Enterprise") else {}
    store = resolved(tier=tier, **storage)
    assert (store.embedding.model, store.embedding.dimension) == (model, dimension)
    assert (store.lexical, store.retrieval.replicas) == (lexical, replicas)


def test_the_prefix_keeps_stores_of_one_bucket_apart() -> None:
    store = resolved(storage=S3)
    assert store.storage.kind is StorageKind.S3
    assert store.storage.s3 is not None
    assert store.storage.s3.prefix == "team-a/notes"


def test_slashes_around_a_prefix_are_taken_off() -> None:
    store = resolved(storage={"s3": {"bucket": "abc", "prefix": "/a/b/"}})
    assert store.storage.s3 is not None
    assert store.storage.s3.prefix == "a/b"


def test_a_named_number_of_replicas_keeps_the_tiers_autoscaler_away() -> None:
    assert resolved(tier="Enterprise", storage=S3).autoscaling is not None
    assert resolved(tier="Enterprise", storage=S3, retrieval={"replicas": 2}).autoscaling is None


def test_an_overlap_of_none_is_none() -> None:
    assert resolved(compression={"overlapTurns": 0}).compression.overlap_turns == 0


def test_a_secret_turns_the_language_model_on() -> None:
    assert resolved().llm.mode == "Rules"
    assert resolved(llm={"secretName": "keys"}).llm.mode == "Model"


def test_merging_by_model_follows_the_language_model_and_has_a_switch_of_its_own() -> None:
    assert resolved().synthesis.mode == "Rules"
    assert resolved(llm={"secretName": "keys"}).synthesis.mode == "Model"
    assert resolved(llm={"secretName": "keys"}, synthesis={"mode": "Rules"}).synthesis.mode == "Rules"
    assert not_in_force(resolved(synthesis={"mode": "Model"})) == ("synthesis.mode Model (llm.mode is Rules)",)


def test_without_a_list_only_the_own_namespace_may_reach_the_port() -> None:
    assert resolved().access.allowed_namespaces == ["team-a"]


def test_what_is_not_in_force_is_named() -> None:
    store = resolved(backup={"s3": {"bucket": "abc"}}, budget={"monthlyUSD": "5"}, retention={"unusedDays": 9})
    assert not_in_force(store) == ()
    kept = resolved(storage={"s3": {"bucket": "abc", "credentialsSecretName": "s"}, "deletionPolicy": "Delete"})
    assert not_in_force(kept) == ()
    assert not_in_force(resolved()) == ()
    without_a_model = resolved(retrieval={"planning": "Auto", "reflection": "Always"})
    assert not_in_force(without_a_model) == (
        "retrieval.planning (llm.mode is Rules)",
        "retrieval.reflection (llm.mode is Rules)",
    )
    asked = resolved(llm={"apiBase": "http://127.0.0.1:1/v1"}, retrieval={"planning": "Auto"})
    assert not_in_force(asked) == ()
    cold = resolved(storage={"s3": {"bucket": "abc", "storageClass": "GLACIER"}})
    assert not_in_force(cold) == ("storage.s3.storageClass (an archive cannot be searched; objects are STANDARD)",)
    cool = resolved(storage={"s3": {"bucket": "abc", "storageClass": "STANDARD_IA"}})
    assert not_in_force(cool) == ()
    assert not_in_force(resolved(cache={"redis": {"managed": {}}})) == ()
    assert not_in_force(resolved(cache={"redis": {"urlSecretName": "cache"}})) == ()


def test_lancedb_cloud_needs_a_bucket_for_its_journal_in_a_cluster() -> None:
    cloud = {"uri": "db://x", "apiKeySecretName": "k"}
    reason = blocking_reason(resolved(storage={"lanceDBCloud": cloud}))
    assert reason is not None
    assert "storage.lanceDBCloud.journal is missing" in reason
    shared = resolved(storage={"lanceDBCloud": {**cloud, "journal": {"bucket": "abc"}}})
    assert blocking_reason(shared) is None
    assert shared.storage.kind == "LanceDBCloud"
    assert shared.storage.s3 is not None
    assert shared.storage.s3.prefix == f"{shared.namespace}/{shared.name}"
    assert not_in_force(shared) == ()
    assert blocking_reason(resolved()) is None
    assert blocking_reason(resolved(embedding={"model": "text-embedding-3-small"})) is None


def test_what_lancedb_cloud_keeps_to_itself_is_told() -> None:
    journal = {"bucket": "abc", "storageClass": "STANDARD_IA"}
    asked = resolved(
        storage={
            "lanceDBCloud": {"uri": "db://x", "apiKeySecretName": "k", "journal": journal},
            "deletionPolicy": "Delete",
        },
        backup={"s3": {"bucket": "copies"}},
    )
    assert not_in_force(asked) == (
        "storage.lanceDBCloud.journal.storageClass (a journal lives for hours; objects are STANDARD)",
        "storage.deletionPolicy Delete (the tables on LanceDB Cloud and their journal stay)",
        "backup (LanceDB Cloud hands out no files to copy)",
    )
    assert backup_in_force(asked) is None
    assert backup_in_force(resolved(backup={"s3": {"bucket": "copies"}})) is not None

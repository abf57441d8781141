"""Data never changes its place by an edit of the spec alone."""

from __future__ import annotations

from typing import Any

import pytest

from simplemem_api.resolved import ResolvedStore, StorageKind
from simplemem_operator.builders.config_map import build_config_map
from simplemem_operator.migration import Move, keep_storage, place_of
from simplemem_operator.models.desired import Desired, Images, Manifest
from tests.support.stores import S3, make_store

OTHER = {"s3": {"bucket": "memories", "prefix": "elsewhere"}}


def config_map(store: ResolvedStore) -> Manifest:
    return build_config_map(Desired(store, "uid", Images("i")))


def manifest(entries: int | None, **annotations: str) -> Manifest:
    names = {f"simplemem.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    status = {} if entries is None else {"entries": entries}
    return {"metadata": {"name": "notes", "namespace": "team-a", "annotations": names}, "status": status}


def make(storage: dict[str, Any] | None = None, **spec: Any) -> ResolvedStore:
    fields: dict[str, Any] = {"storage": storage} if storage else {}
    return make_store(**fields, **spec)


@pytest.mark.parametrize(
    ("before", "after", "source", "target"),
    [
        (None, S3, "pvc", "s3://memories/team-a/notes"),
        (S3, None, "s3://memories/team-a/notes", "pvc"),
        (S3, OTHER, "s3://memories/team-a/notes", "s3://memories/elsewhere"),
        (
            S3,
            {"s3": {"bucket": "memories", "endpoint": "http://s3:7070"}},
            "s3://memories/team-a/notes",
            "s3://memories/team-a/notes@http://s3:7070",
        ),
        (
            S3,
            {"lanceDBCloud": {"uri": "db://x", "apiKeySecretName": "k"}},
            "s3://memories/team-a/notes",
            "db://x@us-east-1",
        ),
        (
            {"lanceDBCloud": {"uri": "db://x", "apiKeySecretName": "k", "journal": {"bucket": "memories"}}},
            {"lanceDBCloud": {"uri": "db://x", "apiKeySecretName": "k", "journal": {"bucket": "another"}}},
            "db://x@us-east-1+s3://memories/team-a/notes",
            "db://x@us-east-1+s3://another/team-a/notes",
        ),
    ],
)
def test_data_stays_until_the_move_is_allowed(
    before: dict[str, Any] | None, after: dict[str, Any] | None, source: str, target: str
) -> None:
    old, new = make(before), make(after)
    kept, move = keep_storage(new, config_map(old), manifest(10))
    assert move == Move(source, target)
    assert place_of(kept.storage) == source
    assert f"simplemem.io/move-storage-to={target}" in move.explain(new)
    assert keep_storage(new, config_map(old), manifest(10, move_storage_to="s3://x/y"))[1] == move
    assert keep_storage(new, config_map(old), manifest(10, move_storage_to=target)) == (new, None)


def test_what_was_never_in_use_moves_at_once() -> None:
    old, new = make(), make(S3)
    assert keep_storage(new, config_map(old), manifest(None)) == (new, None)
    assert keep_storage(new, None, manifest(10)) == (new, None)
    assert keep_storage(new, {"data": {"store.json": "{}"}}, manifest(10)) == (new, None)


def test_what_was_empty_when_it_was_last_told_of_may_hold_something_by_now() -> None:
    assert keep_storage(make(S3), config_map(make()), manifest(0))[1] is not None


def test_what_is_no_place_changes_freely() -> None:
    old = make(S3)
    new = make({"s3": S3["s3"] | {"region": "eu-west-1", "credentialsSecretName": "other"}}, tier="Enterprise")
    assert keep_storage(new, config_map(old), manifest(10)) == (new, None)


def test_a_store_that_stays_on_its_volume_keeps_to_one_pod_and_takes_the_rest_of_the_spec() -> None:
    new = make(S3 | {"deletionPolicy": "Delete"}, tier="GPUAccelerated", retrieval={"topK": 7})
    assert new.autoscaling is not None
    kept, move = keep_storage(new, config_map(make(tier="Hybrid")), manifest(10))
    assert move is not None
    assert kept.storage.kind is StorageKind.PVC
    assert kept.storage.deletion_policy == "Delete"
    assert (kept.retrieval.replicas, kept.retrieval.top_k, kept.autoscaling) == (1, 7, None)
    assert kept.embedding == new.embedding

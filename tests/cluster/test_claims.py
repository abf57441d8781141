"""Names of children, on a real API server: made where they are free, never adopted, and free again some day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simplemem_operator.claims import Claims
from simplemem_operator.cluster import Cluster
from simplemem_operator.errors import ConflictError
from simplemem_operator.kinds import KINDS
from simplemem_operator.labels import INSTANCE_LABEL, MANAGER, MANAGER_LABEL
from simplemem_operator.models.desired import Manifest
from tests.cluster.conftest import Space, cluster_of
from tests.operator.test_golden import DATA, children_of


@pytest.fixture
def cluster(bare_credentials: Path) -> Cluster:
    return cluster_of(bare_credentials)


def owner_in(space: Space, name: str = "notes") -> str:
    """Identity of a new MemoryStore: the garbage collector takes away what belongs to none."""
    space.store(name, tier="Minimal")
    uid: str = (space.get("smem", name) or {})["metadata"]["uid"]
    return uid


def settings_of(space: Space, *, owner: str = "", store: str = "notes", **labels: str) -> Manifest:
    """A child, as small as one can be."""
    labels = {INSTANCE_LABEL: "notes", MANAGER_LABEL: MANAGER, **labels}
    metadata: dict[str, Any] = {"name": "notes-config", "namespace": space.name, "labels": labels}
    if owner:
        reference = {"apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore", "name": store, "uid": owner}
        metadata["ownerReferences"] = [{**reference, "controller": True}]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ours": "1"}}


def data_of(space: Space) -> dict[str, str]:
    found: dict[str, str] = (space.get("configmap", "notes-config") or {})["data"]
    return found


def test_a_child_of_every_kind_is_made_once_and_refused_where_its_name_is_taken(
    bare_space: Space, cluster: Cluster
) -> None:
    kinds = set()
    for case in ("enterprise", "hybrid", "everything"):
        for child in children_of(DATA / case):
            if KINDS[child["kind"]].is_optional or child["kind"] in kinds:
                continue
            kinds.add(child["kind"])
            child["metadata"]["namespace"] = bare_space.name
            child["metadata"].pop("ownerReferences", None)
            made = cluster.create(child)
            managers = {(entry["manager"], entry["operation"]) for entry in made["metadata"]["managedFields"]}
            # As if it had been applied: a field that leaves the spec leaves the object.
            assert managers == {("simplemem-operator", "Apply")}, child["kind"]
            child["metadata"]["labels"]["more"] = "1"
            with pytest.raises(ConflictError):
                cluster.create(child)
            found = cluster.read_metadata(KINDS[child["kind"]], bare_space.name, child["metadata"]["name"])
            assert found is not None
            assert (found["uid"], "more" in found["labels"]) == (made["metadata"]["uid"], False), child["kind"]
    assert kinds == {kind.name for kind in KINDS.values() if not kind.is_optional} - {"Job"}


@pytest.mark.parametrize("whose", [MANAGER_LABEL, INSTANCE_LABEL, "owner"], ids=["manager", "store", "owner"])
def test_an_object_of_somebody_else_is_left_alone_until_it_goes(
    bare_space: Space, cluster: Cluster, whose: str
) -> None:
    claims, uid = Claims(cluster), owner_in(bare_space)
    child = settings_of(bare_space, owner=uid)
    if whose == "owner":
        theirs = settings_of(bare_space, owner=owner_in(bare_space, "other"), store="other")
    else:
        theirs = settings_of(bare_space, **{whose: "other"})
    cluster.create({**theirs, "data": {"theirs": "1"}})
    assert not claims.is_taken(child, uid)
    assert claims.apply(child, None, uid) is None
    assert data_of(bare_space) == {"theirs": "1"}

    # From now on it is looked at, and nothing is tried.
    written = bare_space.writes()
    assert claims.is_taken(child, uid)
    assert claims.is_taken(child, uid)
    assert bare_space.writes() == written
    bare_space.kubectl("delete", "configmap", "notes-config")
    assert not claims.is_taken(child, uid)
    assert claims.apply(child, None, uid) is not None
    assert data_of(bare_space) == {"ours": "1"}


@pytest.mark.parametrize("is_owned", [True, False], ids=["an event that is late", "kept from an earlier store"])
def test_an_object_of_ours_that_no_cache_knows_is_taken_over(
    bare_space: Space, cluster: Cluster, is_owned: bool
) -> None:
    claims, uid = Claims(cluster), owner_in(bare_space)
    there = settings_of(bare_space, owner=uid if is_owned else "")
    before = cluster.create({**there, "data": {"ours": "0"}})
    after = claims.apply(settings_of(bare_space, owner=uid), None, uid)
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert data_of(bare_space) == {"ours": "1"}
    assert not claims.is_taken(settings_of(bare_space, owner=uid), uid)

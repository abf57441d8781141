"""Names of children, on a real API server: made where they are free, never adopted, and free again some day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from simplemem_operator.api import Api
from simplemem_operator.claims import Claims
from simplemem_operator.cluster import Cluster
from simplemem_operator.errors import ConflictError
from simplemem_operator.kinds import KINDS
from simplemem_operator.labels import INSTANCE_LABEL, MANAGER, MANAGER_LABEL
from simplemem_operator.models.desired import Manifest
from tests.cluster.conftest import Space
from tests.operator.test_golden import DATA, children_of

OWNER, OTHER = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"


@pytest.fixture
def cluster(bare_credentials: Path) -> Cluster:
    config.load_kube_config(str(bare_credentials))
    return Cluster(Api(client.ApiClient()))


def settings_of(space: Space, *, owner: str | None = None, **labels: str) -> Manifest:
    """A child, as small as one can be."""
    labels = {INSTANCE_LABEL: "notes", MANAGER_LABEL: MANAGER, **labels}
    metadata: dict[str, Any] = {"name": "notes-config", "namespace": space.name, "labels": labels}
    if owner is not None:
        reference = {"apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore", "name": "notes", "uid": owner}
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


@pytest.mark.parametrize(
    "theirs", [{MANAGER_LABEL: "Helm"}, {INSTANCE_LABEL: "other"}, {"owner": OTHER}], ids=["manager", "store", "owner"]
)
def test_an_object_of_somebody_else_is_left_alone_until_it_goes(
    bare_space: Space, cluster: Cluster, theirs: dict[str, str]
) -> None:
    claims, child = Claims(cluster), settings_of(bare_space, owner=OWNER)
    cluster.create({**settings_of(bare_space, **theirs), "data": {"theirs": "1"}})
    assert not claims.is_taken(child, OWNER)
    assert claims.apply(child, None, OWNER) is None
    assert data_of(bare_space) == {"theirs": "1"}

    # From now on it is looked at, and nothing is tried.
    written = bare_space.writes()
    assert claims.is_taken(child, OWNER)
    assert claims.is_taken(child, OWNER)
    assert bare_space.writes() == written
    bare_space.kubectl("delete", "configmap", "notes-config")
    assert not claims.is_taken(child, OWNER)
    assert claims.apply(child, None, OWNER) is not None
    assert data_of(bare_space) == {"ours": "1"}


@pytest.mark.parametrize("owner", [OWNER, None], ids=["an event that is late", "kept from an earlier store"])
def test_an_object_of_ours_that_no_cache_knows_is_taken_over(
    bare_space: Space, cluster: Cluster, owner: str | None
) -> None:
    claims, child = Claims(cluster), settings_of(bare_space, owner=OWNER)
    before = cluster.create({**settings_of(bare_space, owner=owner), "data": {"ours": "0"}})
    after = claims.apply(child, None, OWNER)
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert data_of(bare_space) == {"ours": "1"}
    assert not claims.is_taken(child, OWNER)

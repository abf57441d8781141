"""Which nodes GPU pods want: the policy on spot nodes and the user's own affinity, both in force."""

from __future__ import annotations

from typing import Any

import pytest

from simplemem_operator.builders.embedding import PREFERRED, REQUIRED, build_embedding_stateful_set
from simplemem_operator.models.desired import Desired, Images
from tests.support.stores import make_store

ZONE = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"]}
ARCH = {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}
APART: dict[str, Any] = {"podAntiAffinity": {REQUIRED: [{"topologyKey": "kubernetes.io/hostname"}]}}


def affinity_of(spot: str, own: dict[str, Any]) -> dict[str, Any]:
    store = make_store(tier="Hybrid", embedding={"gpu": {"spot": spot}}, pods={"affinity": own} if own else {})
    found = build_embedding_stateful_set(Desired(store, "u", Images("i")))
    assert found is not None
    affinity: dict[str, Any] = found["spec"]["template"]["spec"].get("affinity", {})
    return affinity


def test_each_of_the_users_alternatives_is_joined_with_each_kind_of_spot_node() -> None:
    own = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [one]} for one in (ZONE, ARCH)]}}}
    terms = affinity_of("Required", {**own, **APART})["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    assert len(terms) == 6
    assert [term["matchExpressions"][0] for term in terms] == [ZONE] * 3 + [ARCH] * 3
    assert {term["matchExpressions"][1]["key"] for term in terms} == {
        "cloud.google.com/gke-spot", "eks.amazonaws.com/capacityType", "kubernetes.azure.com/scalesetpriority",
    }  # fmt: skip


def test_what_the_user_prefers_stays_beside_spot_nodes() -> None:
    own = {"nodeAffinity": {PREFERRED: [{"weight": 1, "preference": {"matchExpressions": [ZONE]}}]}}
    found = affinity_of("Preferred", {**own, **APART})
    assert found["podAntiAffinity"] == APART["podAntiAffinity"]
    assert [one["weight"] for one in found["nodeAffinity"][PREFERRED]] == [1, 100, 100, 100]


@pytest.mark.parametrize("own", [{}, APART])
def test_without_a_policy_the_affinity_is_the_users(own: dict[str, Any]) -> None:
    assert affinity_of("Never", own) == own

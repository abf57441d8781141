"""What is written, and what is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_operator.diff import diff, first_difference, with_hash
from simplemem_operator.models.observed import Observed


def config_map(name: str = "notes-config", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "a"}, "data": data}


def claim(size: str) -> dict[str, Any]:
    spec = {"resources": {"requests": {"storage": size}}}
    metadata = {"name": "notes-data", "namespace": "a"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def live(manifest: dict[str, Any], **server: Any) -> dict[str, Any]:
    """The manifest as applied, with what an API server adds."""
    applied = with_hash(manifest)
    return {**applied, "metadata": {**applied["metadata"], "uid": "u", "resourceVersion": "7"}, **server}


def test_a_missing_child_is_applied() -> None:
    plan = diff([config_map(a="1")], Observed(()))
    assert [step.reason for step in plan.apply] == ["missing"]


def test_what_is_as_wanted_is_left_alone() -> None:
    plan = diff([config_map(a="1")], Observed((live(config_map(a="1"), status={"phase": "x"}),)))
    assert (plan.apply, plan.delete) == ((), ())


def test_a_field_that_left_the_spec_is_written_though_the_live_object_has_all_that_is_wanted() -> None:
    plan = diff([config_map(a="1")], Observed((live(config_map(a="1", b="2")),)))
    assert [step.reason for step in plan.apply] == ["changed in the spec"]


def test_an_edit_by_hand_is_repaired_and_named() -> None:
    edited = live(config_map(a="1")) | {"data": {"a": "2"}}
    plan = diff([config_map(a="1")], Observed((edited,)))
    assert [step.reason for step in plan.apply] == ["changed by somebody else: .data.a"]


def test_what_others_add_is_theirs() -> None:
    found = live(config_map(a="1"))
    found["metadata"]["annotations"]["other.example/note"] = "mine"
    assert diff([config_map(a="1")], Observed((found,))).apply == ()


def test_what_is_no_longer_wanted_goes_but_never_a_volume() -> None:
    plan = diff([], Observed((live(config_map(a="1")), live(claim("1Gi")))))
    assert [step.manifest["kind"] for step in plan.delete] == ["ConfigMap"]


def test_what_is_going_already_is_not_deleted_again() -> None:
    found = live(config_map(a="1"))
    found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert diff([], Observed((found,))).delete == ()


def test_a_retained_volume_that_is_larger_stays_as_large() -> None:
    plan = diff([claim("50Gi")], Observed((live(claim("100Gi")),)))
    assert plan.apply == ()


def test_a_volume_grows() -> None:
    plan = diff([claim("100Gi")], Observed((live(claim("50Gi")),)))
    assert plan.apply[0].manifest["spec"]["resources"]["requests"]["storage"] == "100Gi"


@pytest.mark.parametrize(
    ("wanted", "found", "place"),
    [
        ({"cpu": "0.5"}, {"cpu": "500m"}, ""),
        ({"cpu": 1}, {"cpu": "1"}, ""),
        ({"memory": "1Gi"}, {"memory": "2Gi"}, ".memory"),
        ({"a": {}}, {}, ""),
        ({"a": []}, {}, ""),
        ({"a": [1, 2]}, {"a": [1]}, ".a"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "added": True}]}, ""),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, ".a[0].b"),
        ({"a": "x"}, None, "whole"),
    ],
)
def test_the_first_difference_is_named(wanted: Any, found: Any, place: str) -> None:
    assert first_difference(wanted, found, "whole" if found is None else "") == place


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)
)


@given(st.dictionaries(st.text(min_size=1), json_values), st.dictionaries(st.text(min_size=1), json_values))
def test_additions_of_others_never_count(wanted: dict[str, Any], added: dict[str, Any]) -> None:
    assert first_difference(wanted, {**added, **wanted}) == ""

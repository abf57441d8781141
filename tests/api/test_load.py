"""Every bad spec is refused on a laptop with the words that the API server uses, and every good one is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from simplemem_api.errors import InvalidStoreError
from simplemem_api.load import load_store, parse_store
from simplemem_api.resolve import resolve

DATA = Path(__file__).parent.parent / "data"
BAD = [case for case in yaml.safe_load((DATA / "bad_specs.yaml").read_text()) if "before" not in case]
GOOD = yaml.safe_load((DATA / "good_specs.yaml").read_text())


def manifest(spec: Any, name: str = "notes") -> dict[str, Any]:
    store = {"apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore", "metadata": {"name": name}}
    return store if spec is None else store | {"spec": spec}


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["name"])
def test_a_bad_spec_is_refused_with_the_reason(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidStoreError) as caught:
        parse_store(manifest(case["spec"]))
    assert case.get("local", case["server"]) in str(caught.value)


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["name"])
def test_a_good_spec_resolves_and_survives_the_config_map(case: dict[str, Any]) -> None:
    resolved = resolve(parse_store(manifest(case["spec"])))
    assert type(resolved).model_validate_json(resolved.model_dump_json(by_alias=True)) == resolved


def test_at_least_thirty_bad_specs_are_tried() -> None:
    assert len(BAD) >= 30


@pytest.mark.parametrize("name", ["Notes", "1notes", "a.b", "a" * 41, "notes-", ""])
def test_a_name_that_no_service_could_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidStoreError, match=r"metadata\.name"):
        parse_store(manifest({}, name))


def test_text_that_is_not_yaml_says_so() -> None:
    with pytest.raises(InvalidStoreError, match="not YAML"):
        load_store("a: [")


def test_other_documents_are_passed_over() -> None:
    text = "kind: Secret\n---\n" + yaml.safe_dump(manifest({"tier": "Minimal"}))
    assert load_store(text).spec.tier == "Minimal"


def test_two_stores_in_one_file_are_refused() -> None:
    text = yaml.safe_dump_all([manifest({}), manifest({}, "other")])
    with pytest.raises(InvalidStoreError, match="found 2"):
        load_store(text)


def test_a_long_wrong_value_is_shortened_in_the_error() -> None:
    with pytest.raises(InvalidStoreError) as caught:
        parse_store(manifest({"tier": "x" * 500}))
    assert len(str(caught.value)) < 300

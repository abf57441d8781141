"""The CRD says of every field what it means and how far it goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simplemem_api.schema import build_crd, build_reference, build_schema


def fields(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from fields(child, f"{path}.{name}")
        if "items" in child:
            yield f"{path}.{name}[]", child["items"]
            yield from fields(child["items"], f"{path}.{name}[]")


def test_every_field_has_a_description() -> None:
    missing = [path for path, node in fields(build_schema()) if "description" not in node and "[]" not in path]
    assert missing == [".metadata"]


def test_every_text_list_and_number_of_the_spec_is_bounded() -> None:
    loose = []
    for path, node in fields(build_schema()["properties"]["spec"]):
        kind = node.get("type")
        bounds = {"string": "maxLength", "array": "maxItems", "integer": "maximum"}
        if kind in bounds and bounds[kind] not in node and "enum" not in node:
            loose.append(path)
    assert loose == []


def test_no_floats_are_asked_for() -> None:
    assert [path for path, node in fields(build_schema()) if node.get("type") == "number"] == []


def test_status_and_scale_are_subresources() -> None:
    version = build_crd()["spec"]["versions"][0]
    assert set(version["subresources"]) == {"status", "scale"}


def test_the_reference_lists_every_field() -> None:
    reference = build_reference()
    missing = [path for path, _ in fields(build_schema()["properties"]["spec"]) if f"`{path[1:]}`" not in reference]
    assert [path for path in missing if not path.endswith("[]")] == []

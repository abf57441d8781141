"""The description of the API shows what is sent and answered, and what it shows is true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it comes without types

from simplemem_service.api import examples
from simplemem_service.api.transfer_lines import parse_line
from simplemem_service.config import Config, Role
from simplemem_service.main import create_app
from tests.support.server import remember
from tests.support.stores import make_store


def describe(role: Role) -> dict[str, Any]:
    return create_app(Config(make_store(tier="Minimal"), role=role, data=Path("unused"))).openapi()


def list_answers(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Route, media type and description of each good answer."""
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    for media, content in response.get("content", {}).items():
                        yield f"{method.upper()} {path} {status}", media, content


def examples_of(content: dict[str, Any], schemas: dict[str, Any]) -> list[Any]:
    own = [content["example"]] if "example" in content else []
    model = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return [*own, *schemas.get(model, {}).get("examples", [])]


@pytest.mark.parametrize("role", [Role.ALL, Role.EMBEDDING])
def test_every_good_answer_has_an_example_of_its_shape(role: Role) -> None:
    description = describe(role)
    schemas = description["components"]["schemas"]
    seen = 0
    for route, media, content in list_answers(description):
        if media == "text/plain":
            continue
        shown = examples_of(content, schemas)
        assert shown, f"{route} shows no answer"
        validator = Draft202012Validator(content["schema"] | {"components": description["components"]})
        for one in shown:
            found = [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(one)]
            assert not found, f"{route}: {found}"
            seen += 1
    assert seen >= (30 if role is Role.ALL else 3)


@pytest.mark.parametrize("role", [Role.ALL, Role.EMBEDDING])
def test_every_example_of_a_body_is_of_its_shape(role: Role) -> None:
    description = describe(role)
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                if media != "application/json":
                    continue
                validator = Draft202012Validator(content["schema"] | {"components": description["components"]})
                for one in examples_of(content, description["components"]["schemas"]):
                    assert not list(validator.iter_errors(one)), (method, path)


def test_the_lines_shown_can_be_read() -> None:
    for text in (examples.IMPORT_LINES, examples.EXPORT_LINES):
        for number, line in enumerate(text.splitlines(), 1):
            assert parse_line(line.encode(), number) is not None


def test_real_answers_have_the_fields_that_are_shown(client: httpx.Client) -> None:
    remember(client, "shown", "I moved from Paris to Rome.")
    body = {"query": "Where does Ada live?", "filter": {"user_id": "shown"}, "explain": True}
    found = client.post("/v1/search", json=body).json()
    assert found.keys() == examples.SEARCH.keys()
    assert found["results"][0].keys() == examples.HIT.keys()
    assert examples.HIT["scores"].keys() <= found["results"][0]["scores"].keys()
    assert found["depth"].keys() == examples.EXPLAINED["depth"].keys()
    listed = client.get("/v1/entries", params={"user_id": "shown"}).json()["entries"][0]
    assert listed.keys() == examples.ENTRY.keys()
    gone = client.delete("/v1/entries", params={"user_id": "shown", "wait": "true"}).json()
    assert gone.keys() == examples.ERASE_OPERATION.keys()
    assert gone["receipt"].keys() == examples.ERASE_OPERATION["receipt"].keys()

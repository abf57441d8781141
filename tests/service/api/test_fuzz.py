"""Drawn requests against a real server: none breaks it, every answer is as described.

And whatever a user's string holds, it is data: compared with what was stored, never read as syntax.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from simplemem_service.config import Config
from simplemem_service.main import create_app
from tests.support.server import Server
from tests.support.stores import make_store

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
FEW = settings(max_examples=20, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, since the requests remove what they find."""
    server = Server(tmp_path_factory.mktemp("fuzzed"))
    server.start()
    try:
        server.wait_ready()
        yield server
        assert server.stop() == 0, server.log()[-2000:]
        assert '"request failed"' not in server.log(), server.log()[-4000:]
    finally:
        server.kill()


schema: Any = schemathesis.openapi.from_dict(create_app(Config(store=make_store())).openapi())
OPERATIONS = [
    (operation.method, operation.path)
    for operation in (result.ok() for result in schema.get_all_operations())
    # Lines are drawn below: the tool knows no NDJSON.
    if operation.path != "/v1/import"
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_described(fuzzed: Server, method: str, path: str, mode: GenerationMode) -> None:
    operation = schema[path][method]

    @given(operation.as_strategy(generation_mode=mode))
    @FEW
    def send(case: Any) -> None:
        response = case.call(base_url=fuzzed.url, timeout=30)
        case.validate_response(response, checks=CHECKS)
        assert response.headers["x-request-id"]

    try:
        send()
    except Unsatisfiable:
        # A route without parameters has no wrong request.
        assert mode is GenerationMode.NEGATIVE


def test_every_body_has_an_example_and_every_error_a_shape(fuzzed: Server) -> None:
    description = httpx.get(f"{fuzzed.url}/openapi.json").json()
    schemas = description["components"]["schemas"]
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                model = content["schema"].get("$ref", "").rpartition("/")[2]
                assert content.get("example") or schemas[model].get("examples"), (method, path)
            if "health" in operation["tags"]:
                continue
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    (media,) = response["content"]
                    assert media == "application/problem+json", (method, path, status)
            assert {"401", "403", "422", "429", "503"} <= operation["responses"].keys(), (method, path)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.lists(st.text(max_size=5))
NAMES_OF_FIELDS = st.sampled_from(
    ["id", "key", "user_id", "speaker", "text", "timestamp", "entry_id", "lossless_restatement", "persons", "sha256"]
)
KINDS = st.sampled_from(["turn", "entry", "checkpoint", "end", "other"])
LINES = st.binary(max_size=30) | st.builds(
    lambda kind, fields: json.dumps({"kind": kind} | fields).encode(),
    KINDS,
    st.dictionaries(NAMES_OF_FIELDS, VALUES, max_size=6),
)


@given(st.lists(LINES, max_size=6))
@FEW
def test_any_lines_are_imported_or_refused_with_their_place(fuzzed: Server, lines: list[bytes]) -> None:
    answer = httpx.post(f"{fuzzed.url}/v1/import", content=b"\n".join(lines), timeout=30)
    body = answer.json()
    assert answer.status_code in (200, 409, 422), body
    assert body["line"] >= 1 if answer.status_code == 422 else True
    assert "lines" in body if answer.status_code == 200 else body["request_id"]


Names = st.text(st.characters(codec="utf-8", exclude_characters="\x1f"), min_size=1, max_size=20)


@given(Names, Names)
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
def test_any_name_is_data_in_a_filter(fuzzed: Server, name: str, other: str) -> None:
    if not name.strip() or not other.strip():
        return
    with fuzzed.client() as client:
        body = {"user_id": name, "entries": [{"lossless_restatement": "A fact.", "persons": [name], "location": name}]}
        client.post("/v1/entries", json=body, params={"wait": "true"}).raise_for_status()

        def count(**where: Any) -> tuple[int, int]:
            listed = client.get("/v1/entries", params=where).raise_for_status().json()["entries"]
            body = {"query": "fact", "filter": where, "top_k": 100}
            found = client.post("/v1/search", json=body).raise_for_status().json()["results"]
            return len(listed), len(found)

        assert count(user_id=name, persons=[name]) == (1, 1)
        assert count(user_id=name, location=name) == (1, 1)
        if other != name:
            assert count(user_id=name, session_id=other) == (0, 0)
        assert count(user_id=name, persons=[name + " "]) == (0, 0)
        client.delete("/v1/entries", params={"user_id": name}).raise_for_status()

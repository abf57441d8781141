"""The description of the API: what FastAPI derives from the routes, and what every route shares."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from simplemem_service.api.problem_schema import Problem

REF = "#/components/schemas/{model}"


def add_description(app: FastAPI) -> None:
    """Complete the application's description with the shape of errors and the bearer token."""
    derive = app.openapi

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(derive())
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign] # FastAPI's own way of changing the description


def _complete(description: dict[str, Any]) -> dict[str, Any]:
    components = description.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template=REF)
    schemas |= problem.pop("$defs", {}) | {"Problem": problem}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path in description["paths"].values():
        for operation in path.values():
            if "health" not in operation.get("tags", ()):
                # Or without, where the store names no token Secret.
                operation["security"] = [{"token": []}, {}]
    return description

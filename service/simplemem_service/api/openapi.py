"""The description of the API: what FastAPI derives from the routes, and what every route shares."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from simplemem_service.api.problem_schema import Problem

REF = "#/components/schemas/{model}"


def add_description(app: FastAPI) -> None:
    """Complete the application's description with the shape of errors and the bearer token."""
    derive = app.openapi

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(derive(), app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign] # FastAPI's own way of changing the description


def _complete(description: dict[str, Any], app: FastAPI) -> dict[str, Any]:
    components = description.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name, shown in _examples_of(app).items():
        if name in schemas:
            schemas[name]["examples"] = shown
    problem = Problem.model_json_schema(ref_template=REF)
    schemas |= problem.pop("$defs", {}) | {"Problem": problem}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path in description["paths"].values():
        for operation in path.values():
            if "health" not in operation.get("tags", ()):
                # Or without, where the store names no token Secret.
                operation["security"] = [{"token": []}, {}]
    return description


def _examples_of(app: FastAPI) -> dict[str, list[Any]]:
    """Examples of what the routes answer, by the model's name; FastAPI leaves out what is null in them."""
    found: dict[str, list[Any]] = {}
    for context in iter_route_contexts(app.routes):
        model = getattr(context, "response_model", None)
        if isinstance(model, type) and issubclass(model, BaseModel):
            schema = model.model_json_schema()
            parts = schema.pop("$defs", {}) | {model.__name__: schema}
            found |= {name: part["examples"] for name, part in parts.items() if "examples" in part}
    return found

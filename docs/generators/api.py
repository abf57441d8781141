"""The HTTP API, by the OpenAPI description of the service."""

from __future__ import annotations

from typing import Any

from docs.generators.markdown import page, table

LEAD = """Every route of the service; [how they are used](../api.md). `/openapi.json` of a running service is the same
for programs, and `/docs` lets you try them. Errors share one body, `Problem`."""


def render(description: dict[str, Any]) -> str:
    """The page."""
    schemas = description["components"]["schemas"]
    routes = [_route(path, verb, call) for path, verbs in description["paths"].items() for verb, call in verbs.items()]
    bodies = [_body(name, schema) for name, schema in sorted(schemas.items())]
    return page("HTTP API", LEAD, "## Routes\n", *routes, "## Bodies\n", *bodies)


def _route(path: str, verb: str, call: dict[str, Any]) -> str:
    told = " ".join(part.rstrip(".") + "." for part in (call["summary"], call.get("description", "")) if part)
    parts = [f"### {verb.upper()} {path}\n", f"{told}\n"]
    rows = [
        (f"`{one['name']}`", one["in"], _kind(one["schema"]), one.get("description", ""))
        for one in call.get("parameters", ())
    ]
    for kind, media in call.get("requestBody", {}).get("content", {}).items():
        rows.append(("body", kind, _kind(media.get("schema", {})), ""))
    if rows:
        parts.append(table(["parameter", "in", "type", "means"], rows))
    answers = [(code, _answer(found), found["description"]) for code, found in sorted(call["responses"].items())]
    parts.append(table(["status", "body", "when"], answers))
    return "\n".join(parts)


def _answer(found: dict[str, Any]) -> str:
    kinds = {_kind(media.get("schema", {})) for media in found.get("content", {}).values()}
    return ", ".join(sorted(kinds))


def _body(name: str, schema: dict[str, Any]) -> str:
    parts = [f"### {name}\n"]
    if schema.get("description"):
        parts.append(f"{schema['description']}\n")
    required = set(schema.get("required", ()))
    rows = [
        (f"`{field}`", _kind(found), "yes" if field in required else "", found.get("description", ""))
        for field, found in schema.get("properties", {}).items()
    ]
    if rows:
        parts.append(table(["field", "type", "required", "means"], rows))
    elif schema.get("enum"):
        parts.append(f"One of {_kind(schema)}.\n")
    return "\n".join(parts)


def _kind(schema: dict[str, Any]) -> str:
    """A type in words; a body by a link to it."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(_kind(one) for one in schema[key])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return _bounded(schema)


def _bounded(schema: dict[str, Any]) -> str:
    kind = str(schema.get("format") or schema.get("type") or "any")
    least = schema.get("minimum", schema.get("minLength"))
    most = schema.get("maximum", schema.get("maxLength"))
    if most is None:
        return kind if least is None else f"{kind}, at least {least}"
    return f"{kind}, at most {most}" if least is None else f"{kind}, {least} to {most}"

"""Conditions and reasons, by the docstrings of their enums."""

from __future__ import annotations

import ast
from pathlib import Path

from docs.generators.markdown import page, table

SOURCE = Path(__file__).resolve().parents[2] / "crds" / "simplemem_api" / "conditions.py"
LEAD = """A condition is `True`, `False` or `Unknown`; its `reason` is one of the words below and its `message` tells
the cause in words. [The operator](../../operator/README.md#conditions) tells which reason belongs to which condition,
[troubleshooting](../troubleshooting.md) what to do."""


def render() -> str:
    """The page."""
    found = _members(ast.parse(SOURCE.read_text()))
    parts = [
        f"## {title}\n\n" + table([name, "means"], [(f"`{value}`", text) for value, text in found[kind]])
        for title, name, kind in (("Conditions", "type", "ConditionType"), ("Reasons", "reason", "Reason"))
    ]
    return page("Conditions", LEAD, *parts)


def _members(module: ast.Module) -> dict[str, list[tuple[str, str]]]:
    """Values of each enum, each with the docstring below it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for body in (node for node in module.body if isinstance(node, ast.ClassDef)):
        for member, text in zip(body.body, body.body[1:], strict=False):
            if isinstance(member, ast.Assign) and isinstance(member.value, ast.Constant):
                words = text.value.value if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) else ""
                found.setdefault(body.name, []).append((str(member.value.value), str(words)))
    return found

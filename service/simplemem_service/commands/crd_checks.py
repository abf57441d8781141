"""Whether a cluster has the CRD that this program goes by, field by field: a check of `simplemem doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simplemem_api.memorystore import GROUP, VERSION
from simplemem_api.schema import build_crd
from simplemem_service.commands.findings import Finding, State
from simplemem_service.commands.kubectl import Kubectl

INSTALL = "helm install simplemem charts/simplemem-operator -n simplemem-system --create-namespace"
UPGRADE = "upgrade the chart (docs/upgrade.md); its crds.enabled brings the CRD"
SHOWN = 5
"""How many differences are named."""


def check_crd(kubectl: Kubectl) -> Finding:
    """Whether the cluster's CRD serves the version with the fields, types, values and rules that this program knows."""
    found = kubectl.read("get", "crd", f"memorystores.{GROUP}")
    if found is None:
        return Finding("CRD", State.PROBLEM, kubectl.error, INSTALL)
    served = {one["name"]: one for one in found["spec"]["versions"] if one["served"]}
    if VERSION not in served:
        return Finding("CRD", State.PROBLEM, f"serves {', '.join(served)}", f"upgrade the chart: {VERSION} is needed")
    theirs, ours = set(_parts(_schema(served[VERSION]))), set(_parts(_schema(build_crd()["spec"]["versions"][0])))
    name = f"memorystores.{GROUP} {VERSION}"
    if ours - theirs:
        return Finding("CRD", State.PROBLEM, f"{name} lacks {_few(ours - theirs)}", UPGRADE)
    if theirs - ours:
        step = "it is newer than this program: install the program of the chart's version"
        return Finding("CRD", State.NOTE, f"{name} has {_few(theirs - ours)}, unknown here", step)
    return Finding("CRD", State.OK, f"{name}, with every field, value and rule that this program knows")


def _schema(version: Mapping[str, Any]) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def _parts(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Each field as its dotted path, then what is said of it: its type, each value that it may have, each rule."""
    of = path or "the store"
    if "type" in schema:
        yield f"{of} as {schema['type']}"
    for value in schema.get("enum", ()):
        yield f"{of} {value!r}"
    for rule in schema.get("x-kubernetes-validations", ()):
        yield f"{of} ({rule.get('message', rule['rule'])})"
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}".removeprefix(".")
        yield from _parts(inner, f"{path}.{name}".removeprefix("."))
    for key in ("items", "additionalProperties"):
        inner = schema.get(key)
        if isinstance(inner, Mapping):
            yield from _parts(inner, f"{path}[]")


def _few(parts: set[str]) -> str:
    # A field that is missing stands for all that it would hold, and for what is said of it.
    whole = [
        part for part in sorted(parts) if not any(part.startswith((f"{one}.", f"{one}[]", f"{one} ")) for one in parts)
    ]
    named = ", ".join(whole[:SHOWN])
    return named if len(whole) <= SHOWN else f"{named} and {len(whole) - SHOWN} more"

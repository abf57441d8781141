"""(desired, observed) -> Plan: what must be written, and why. Pure.

An object is written when its content differs from what was applied last (kept as a hash in an annotation, so that a
field that left the spec leaves the object too), or when somebody changed a field that we own. What the API server adds
by itself is none of our business, so the live object may always hold more.
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from simplemem_operator.models.desired import Manifest
from simplemem_operator.models.observed import Observed
from simplemem_operator.models.plan import Plan, Step

APPLIED_HASH = "simplemem.io/applied-hash"
"""Annotation with the hash of what was applied last."""

KEPT = frozenset({"PersistentVolumeClaim"})
"""Kinds that are never pruned: a spec that changes its shape must not delete data."""

HASH_LENGTH = 16
"""Hexadecimal digits of the hash."""


def diff(desired: list[Manifest], observed: Observed) -> Plan:
    """The writes that lead from what exists to what should."""
    apply: list[Step] = []
    for wanted in desired:
        live = observed.child(wanted["kind"], wanted["metadata"]["name"])
        manifest = with_hash(_never_smaller(wanted, live))
        reason = _reason(manifest, live)
        if reason:
            apply.append(Step(manifest, reason))
    wanted_names = {(wanted["kind"], wanted["metadata"]["name"]) for wanted in desired}
    delete = tuple(
        Step(child, "no longer wanted")
        for child in observed.children
        if (child["kind"], child["metadata"]["name"]) not in wanted_names
        and child["kind"] not in KEPT
        and "deletionTimestamp" not in child["metadata"]
    )
    return Plan(tuple(apply), delete)


def with_hash(manifest: Manifest) -> Manifest:
    """The manifest with the hash of its content."""
    text = json.dumps(manifest, sort_keys=True)
    content = hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), APPLIED_HASH: content}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def _reason(manifest: Manifest, live: Manifest | None) -> str:
    if live is None:
        return "missing"
    found = live["metadata"].get("annotations", {}).get(APPLIED_HASH)
    if found != manifest["metadata"]["annotations"][APPLIED_HASH]:
        return "changed in the spec"
    path = first_difference(manifest, live)
    return f"changed by somebody else: {path}" if path else ""


def first_difference(wanted: Any, live: Any, path: str = "") -> str:
    """Path of the first field that the live object has otherwise; empty where it has all that is wanted."""
    if isinstance(wanted, dict):
        if not isinstance(live, dict):
            # Empty objects and absent ones are the same to the API server.
            return path if wanted else ""
        places = [first_difference(value, live.get(key), f"{path}.{key}") for key, value in wanted.items()]
        return next((place for place in places if place), "")
    if isinstance(wanted, list):
        if not wanted and live is None:
            return ""
        if not isinstance(live, list) or len(live) != len(wanted):
            return path
        pairs = enumerate(zip(wanted, live, strict=True))
        return next((place for i, (w, v) in pairs if (place := first_difference(w, v, f"{path}[{i}]"))), "")
    return "" if wanted == live or _same_quantity(wanted, live) else path


def _same_quantity(wanted: Any, live: Any) -> bool:
    # The API server rewrites quantities in their canonical form: 0.5 becomes 500m.
    if not isinstance(wanted, str | int | float) or not isinstance(live, str):
        return False
    try:
        return bool(parse_quantity(str(wanted)) == parse_quantity(live))
    except ValueError:
        return False


def _never_smaller(wanted: Manifest, live: Manifest | None) -> Manifest:
    """The claim at least as large as the volume that is there, such as one retained from an earlier store."""
    if wanted["kind"] != "PersistentVolumeClaim" or live is None:
        return wanted
    there = live["spec"].get("resources", {}).get("requests", {}).get("storage", "0")
    if parse_quantity(there) <= parse_quantity(wanted["spec"]["resources"]["requests"]["storage"]):
        return wanted
    larger = copy.deepcopy(wanted)
    larger["spec"]["resources"]["requests"]["storage"] = there
    return larger

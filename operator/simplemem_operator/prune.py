"""What is remembered of an object: no more than a pass reads. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from simplemem_operator.constants import FIELD_MANAGER
from simplemem_operator.kinds import Kind
from simplemem_operator.models.desired import Manifest

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation with a whole object once more; of a Secret, with its values."""

NEVER_READ = frozenset({"managedFields", "generateName", "selfLink", "resourceVersion"})
"""Metadata that no pass reads; the version is remembered beside the object."""

POD_STATUS = frozenset({"phase", "podIP", "startTime", "conditions", "containerStatuses", "initContainerStatuses"})
"""What is remembered of a pod's status."""


def prune(kind: Kind, found: Mapping[str, Any]) -> Manifest:
    """The object as it is remembered."""
    metadata = found["metadata"]
    names = {"apiVersion": kind.api_version, "kind": kind.name}
    if kind.is_metadata_only:
        return {**names, "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]}}
    kept = {key: value for key, value in metadata.items() if key not in NEVER_READ}
    if LAST_APPLIED in kept.get("annotations", {}):
        kept["annotations"] = {key: value for key, value in kept["annotations"].items() if key != LAST_APPLIED}
    if owns_replicas(metadata.get("managedFields") or ()):
        kept["managedFields"] = [
            {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
        ]
    body = {key: value for key, value in found.items() if key not in ("apiVersion", "kind", "metadata")}
    if kind.name == "Pod":
        body = _pod(body)
    return {**names, "metadata": kept, **body}


def owns_replicas(managed: Iterable[Mapping[str, Any]]) -> bool:
    """Whether our field manager owns the number of pods."""
    return any(
        "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in managed
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
    )


def _pod(body: Mapping[str, Any]) -> Manifest:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    containers = [
        {"name": container["name"], "resources": container.get("resources", {})}
        for container in spec.get("containers", ())
    ]
    return {
        "spec": {"nodeName": spec.get("nodeName"), "containers": containers},
        "status": {key: value for key, value in status.items() if key in POD_STATUS},
    }

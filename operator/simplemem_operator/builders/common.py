"""What all children share: identity, labels and ownership."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simplemem_api.memorystore import GROUP, KIND, VERSION
from simplemem_operator import labels
from simplemem_operator.models.desired import Desired, Manifest


def build_object(  # noqa: PLR0917 - the parts of every object, in their usual order
    desired: Desired,
    api_version: str,
    kind: str,
    name: str,
    component: str,
    body: dict[str, Any],
    *,
    is_owned: bool = True,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """An object with the store's labels; owned by the MemoryStore, unless it must outlive it."""
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": desired.store.namespace,
        "labels": labels.labels(desired.store.name, component),
    }
    if annotations:
        metadata["annotations"] = dict(annotations)
    if is_owned:
        metadata["ownerReferences"] = [
            {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "name": desired.store.name,
                "uid": desired.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ]
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def pull_secrets(desired: Desired) -> dict[str, Any]:
    """The field `imagePullSecrets` of an account or a pod; no field where images need no credentials."""
    found = [{"name": name} for name in desired.images.pull_secrets]
    return {"imagePullSecrets": found} if found else {}

"""The claim of a store's volume."""

from __future__ import annotations

from typing import Any

from simplemem_api.resolved import StorageKind
from simplemem_api.storage_spec import DeletionPolicy
from simplemem_operator import names
from simplemem_operator.builders.common import build_object
from simplemem_operator.models.desired import Desired, Manifest


def build_persistent_volume_claim(desired: Desired) -> Manifest | None:
    """The volume; None where the data lies elsewhere. Under Retain it has no owner, so it outlives the MemoryStore."""
    storage = desired.store.storage
    if storage.kind is not StorageKind.PVC:
        return None
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.volume_size}},
    }
    if storage.storage_class_name:
        spec["storageClassName"] = storage.storage_class_name
    is_owned = storage.deletion_policy is DeletionPolicy.DELETE
    name = names.data(desired.store.name)
    return build_object(desired, "v1", "PersistentVolumeClaim", name, "data", {"spec": spec}, is_owned=is_owned)

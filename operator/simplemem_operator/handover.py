"""A number of pods that an autoscaler leaves behind stays until the user names another. Pure.

The API server forgets who had it when the autoscaler goes, so it is kept in an annotation of the Deployment; a spec
that names a number, or has an autoscaler again, ends that.
"""

from __future__ import annotations

from typing import Any

from simplemem_api.resolved import ResolvedStore, StorageKind
from simplemem_operator.constants import KEPT_REPLICAS
from simplemem_operator.models.desired import Manifest
from simplemem_operator.prune import owns_replicas


def kept_replicas(
    store: ResolvedStore, spec: dict[str, Any], deployment: Manifest | None, autoscaler: Manifest | None
) -> int | None:
    """Number of retrieval pods that stays as an autoscaler left it; None where the spec says it.

    Parameters
    ----------
    store
        As the spec wants it.
    spec
        The spec as the user wrote it.
    deployment
        The retrieval pods' Deployment as it is; None for a new store.
    autoscaler
        The autoscaler that the spec does not want any more, until it is deleted.
    """
    is_named = (spec.get("retrieval") or {}).get("replicas") is not None
    # A volume has one reader.
    is_single = store.storage.kind is StorageKind.PVC
    if deployment is None or store.autoscaling is not None or is_named or is_single:
        return None
    metadata = deployment["metadata"]
    kept = (metadata.get("annotations") or {}).get(KEPT_REPLICAS, "")
    if kept.isdecimal():
        return int(kept)
    is_left_behind = autoscaler is not None and not owns_replicas(metadata.get("managedFields") or ())
    return (deployment["spec"]["replicas"] or None) if is_left_behind else None

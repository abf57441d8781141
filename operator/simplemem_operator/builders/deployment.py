"""The Deployments: the pods that answer questions, and the one that writes where they are several."""

from __future__ import annotations

from typing import Any

from simplemem_api.resolved import StorageKind
from simplemem_operator import labels, names
from simplemem_operator.builders.common import build_object
from simplemem_operator.builders.podspec import build_pod_template
from simplemem_operator.constants import KEPT_REPLICAS
from simplemem_operator.models.desired import Desired, Manifest

RETRIEVAL = "retrieval"
"""Component that answers questions."""
INGEST = "ingest"
"""Component that writes."""


def build_retrieval_deployment(desired: Desired) -> Manifest:
    """Pods that answer questions: on a volume one that does everything, else any number that read.

    Without `replicas` where an autoscaler owns them, unless the store is suspended.
    """
    store = desired.store
    is_volume = store.storage.kind is StorageKind.PVC
    # Two pods must never hold the volume at once: the old one goes first.
    strategy: dict[str, Any] = {"type": "Recreate"}
    if not is_volume:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    replicas: dict[str, Any] = {"replicas": 0 if store.suspend else store.retrieval.replicas}
    if store.autoscaling is not None and not store.suspend:
        replicas = {}
    kept = {} if desired.kept_replicas is None else {KEPT_REPLICAS: str(desired.kept_replicas)}
    role = "all" if is_volume else RETRIEVAL
    spec = {**replicas, "strategy": strategy}
    return _deployment(desired, RETRIEVAL, names.retrieval(store.name), role, spec, annotations=kept)


def build_ingest_deployment(desired: Desired) -> Manifest | None:
    """The one pod that writes the tables; None on a volume, where the same pod reads and writes."""
    store = desired.store
    if store.storage.kind is StorageKind.PVC:
        return None
    spec = {"replicas": 0 if store.suspend else 1, "strategy": {"type": "Recreate"}}
    return _deployment(desired, INGEST, names.ingest(store.name), INGEST, spec)


def _deployment(
    desired: Desired,
    component: str,
    name: str,
    role: str,
    spec: dict[str, Any],
    *,
    annotations: dict[str, str] | None = None,
) -> Manifest:
    body = {
        "spec": {
            **spec,
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": labels.selector(desired.store.name, component)},
            "template": build_pod_template(desired, component, role),
        }
    }
    return build_object(desired, "apps/v1", "Deployment", name, component, body, annotations=annotations)

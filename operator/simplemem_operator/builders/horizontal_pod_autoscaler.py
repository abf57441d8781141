"""The autoscaler of the pods that answer questions."""

from __future__ import annotations

from simplemem_operator import names
from simplemem_operator.builders.common import build_object
from simplemem_operator.builders.deployment import RETRIEVAL
from simplemem_operator.models.desired import Desired, Manifest


def build_horizontal_pod_autoscaler(desired: Desired) -> Manifest | None:
    """Keeps the pods' CPU, and what else the spec names, at target; None for a fixed number or a suspended store."""
    store = desired.store
    if store.autoscaling is None or store.suspend:
        return None
    name = names.retrieval(store.name)
    metric = {
        "type": "Resource",
        "resource": {
            "name": "cpu",
            "target": {
                "type": "Utilization",
                "averageUtilization": store.autoscaling.target_cpu_utilization_percentage,
            },
        },
    }
    body = {
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": store.autoscaling.min_replicas,
            "maxReplicas": store.autoscaling.max_replicas,
            "metrics": [metric, *store.autoscaling.metrics],
        }
    }
    return build_object(desired, "autoscaling/v2", "HorizontalPodAutoscaler", name, RETRIEVAL, body)

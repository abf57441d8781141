"""The disruption budget of the pods that answer questions."""

from __future__ import annotations

from simplemem_operator import labels, names
from simplemem_operator.builders.common import build_object
from simplemem_operator.builders.deployment import RETRIEVAL
from simplemem_operator.models.desired import Desired, Manifest

LEAST_REPLICAS = 2
"""Pods from which a budget makes sense."""


def build_pod_disruption_budget(desired: Desired) -> Manifest | None:
    """Budget that keeps all but one pod serving during a drain; None for a single one, which could never be drained."""
    store = desired.store
    replicas = store.autoscaling.min_replicas if store.autoscaling else store.retrieval.replicas
    if replicas < LEAST_REPLICAS or store.suspend:
        return None
    body = {
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": labels.selector(store.name, RETRIEVAL)},
        }
    }
    return build_object(desired, "policy/v1", "PodDisruptionBudget", names.retrieval(store.name), RETRIEVAL, body)

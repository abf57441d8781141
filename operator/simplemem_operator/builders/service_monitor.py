"""The ServiceMonitor by which Prometheus finds a store."""

from __future__ import annotations

from simplemem_operator import labels
from simplemem_operator.builders.common import build_object
from simplemem_operator.builders.deployment import RETRIEVAL
from simplemem_operator.models.desired import Desired, Manifest

COMPONENT_LABEL = "app_kubernetes_io_component"
"""The label of a pod that holds its part, as Prometheus spells it."""


def build_service_monitor(desired: Desired) -> Manifest | None:
    """Scrapes the pods behind the store's Service; None where the chart does not ask for monitors.

    The series get the names that the chart's rules and dashboards go by, as its PodMonitor gives them.
    """
    monitors = desired.surroundings.monitors
    if monitors is None:
        return None
    name = desired.store.name
    relabelings = [
        {"targetLabel": "job", "replacement": "simplemem-store"},
        {"targetLabel": "store", "replacement": name},
        {"sourceLabels": [f"__meta_kubernetes_pod_label_{COMPONENT_LABEL}"], "targetLabel": "component"},
    ]
    endpoint = {"port": "http", "path": "/metrics", "interval": monitors.interval, "relabelings": relabelings}
    body = {
        "spec": {
            "selector": {"matchLabels": labels.selector(name, RETRIEVAL)},
            "endpoints": [endpoint],
        }
    }
    manifest = build_object(desired, "monitoring.coreos.com/v1", "ServiceMonitor", name, RETRIEVAL, body)
    manifest["metadata"]["labels"] = {**monitors.labels, **manifest["metadata"]["labels"]}
    return manifest

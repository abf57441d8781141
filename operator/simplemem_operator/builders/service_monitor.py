"""The ServiceMonitor by which Prometheus finds a store."""

from __future__ import annotations

from simplemem_operator import labels
from simplemem_operator.builders.common import build_object
from simplemem_operator.builders.deployment import RETRIEVAL
from simplemem_operator.models.desired import Desired, Manifest


def build_service_monitor(desired: Desired) -> Manifest:
    """Scrapes the pods behind the store's Service."""
    body = {
        "spec": {
            "selector": {"matchLabels": labels.selector(desired.store.name, RETRIEVAL)},
            "endpoints": [{"port": "http", "path": "/metrics"}],
        }
    }
    name = desired.store.name
    return build_object(desired, "monitoring.coreos.com/v1", "ServiceMonitor", name, RETRIEVAL, body)

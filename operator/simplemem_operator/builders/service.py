"""The Service: one address of a store, whatever stands behind it."""

from __future__ import annotations

from simplemem_operator import labels
from simplemem_operator.builders.common import build_object
from simplemem_operator.builders.deployment import RETRIEVAL
from simplemem_operator.constants import SERVICE_PORT
from simplemem_operator.models.desired import Desired, Manifest


def build_service(desired: Desired) -> Manifest:
    """Port 80 of the store's name, in front of the pods that answer questions."""
    body = {
        "spec": {
            "selector": labels.selector(desired.store.name, RETRIEVAL),
            "ports": [{"name": "http", "port": SERVICE_PORT, "targetPort": "http", "protocol": "TCP"}],
        }
    }
    return build_object(desired, "v1", "Service", desired.store.name, RETRIEVAL, body)

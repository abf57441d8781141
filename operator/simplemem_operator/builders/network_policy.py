"""The NetworkPolicy: who may reach a store's pods."""

from __future__ import annotations

from typing import Any

from simplemem_operator import labels
from simplemem_operator.builders.common import build_object
from simplemem_operator.constants import PORT, REDIS_BUS_PORT, REDIS_PORT
from simplemem_operator.models.desired import Desired, Manifest

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Label that every namespace carries with its own name."""


def build_network_policy(desired: Desired) -> Manifest:
    """Admits the allowed namespaces, the operator and who scrapes to the port, and nobody to anything else."""
    store = desired.store
    namespaces = sorted({*store.access.allowed_namespaces})
    if desired.surroundings.operator_namespace is not None:
        namespaces = sorted({*namespaces, desired.surroundings.operator_namespace})
    sources: list[dict[str, Any]] = [
        {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace}}} for namespace in namespaces
    ]
    sources += desired.surroundings.scrapers
    ingress = [{"from": sources, "ports": [_port(PORT)]}] if sources else []
    own = {"app.kubernetes.io/name": labels.NAME, labels.INSTANCE_LABEL: store.name}
    ports = [PORT] if store.embedding.gpu is not None or store.backup is not None else []
    if store.redis is not None and store.redis.managed_replicas:
        ports += [REDIS_PORT, REDIS_BUS_PORT]
    if ports:
        # The store's own pods among themselves, wherever else requests may come from.
        ingress.append({"from": [{"podSelector": {"matchLabels": own}}], "ports": [_port(port) for port in ports]})
    body = {
        "spec": {
            "podSelector": {"matchLabels": own},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        }
    }
    return build_object(desired, "networking.k8s.io/v1", "NetworkPolicy", store.name, "access", body)


def _port(port: int) -> dict[str, Any]:
    return {"port": port, "protocol": "TCP"}

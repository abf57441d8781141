"""The managed Redis Cluster."""

from __future__ import annotations

from simplemem_operator import labels, names
from simplemem_operator.builders.common import build_object
from simplemem_operator.constants import USER_ID
from simplemem_operator.models.desired import Desired, Manifest

REDIS = "redis"
"""Component that caches."""
REDIS_PORT = 6379
"""Port of Redis."""
REDIS_IMAGE = "redis:7"
"""Image of Redis."""


def build_redis_stateful_set(desired: Desired) -> Manifest | None:
    """Nodes of the cache, in memory only, since all of it can be computed again; None where none is managed."""
    store = desired.store
    if store.redis is None or not store.redis.managed_replicas:
        return None
    container = {
        "name": REDIS,
        "image": REDIS_IMAGE,
        "args": ["--cluster-enabled", "yes", "--save", "", "--appendonly", "no", "--dir", "/data"],
        "ports": [{"name": "redis", "containerPort": REDIS_PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"memory": store.redis.managed_memory},
            "limits": {"memory": store.redis.managed_memory},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
    body = {
        "spec": {
            "replicas": 0 if store.suspend else store.redis.managed_replicas,
            "serviceName": names.redis(store.name),
            "selector": {"matchLabels": labels.selector(store.name, REDIS)},
            "template": {"metadata": {"labels": labels.labels(store.name, REDIS)}, "spec": pod},
        }
    }
    return build_object(desired, "apps/v1", "StatefulSet", names.redis(store.name), REDIS, body)


def build_redis_service(desired: Desired) -> Manifest | None:
    """Headless Service of the cache; None where none is managed."""
    store = desired.store
    if store.redis is None or not store.redis.managed_replicas:
        return None
    body = {
        "spec": {
            "clusterIP": "None",
            # Nodes find each other before they are ready.
            "publishNotReadyAddresses": True,
            "selector": labels.selector(store.name, REDIS),
            "ports": [{"name": "redis", "port": REDIS_PORT, "targetPort": "redis", "protocol": "TCP"}],
        }
    }
    return build_object(desired, "v1", "Service", names.redis(store.name), REDIS, body)

"""The managed Redis Cluster: its script, its names, its nodes."""

from __future__ import annotations

import hashlib
from typing import Any

from simplemem_api.resolved import ResolvedRedis
from simplemem_api.secret_names import REDIS_PASSWORD
from simplemem_operator import labels, names
from simplemem_operator.builders.common import build_object, pull_secrets
from simplemem_operator.builders.redis_script import REDIS_SCRIPT
from simplemem_operator.constants import (
    REDIS_BUS_PORT,
    REDIS_PORT,
    SECRET_HASH,
    USER_ID,
)
from simplemem_operator.models.desired import Desired, Manifest

REDIS = "redis"
"""Component that caches."""
SCRIPT_FILE = "node.sh"
"""Key of the ConfigMap that holds the script."""
SCRIPT_FOLDER = "/etc/simplemem-redis"
"""Where the nodes find the script."""
SCRIPT_HASH = "simplemem.io/script-hash"
"""Annotation of the nodes that rolls them when the script changes."""
GRACE_SECONDS = 10
"""How long a node may take to end, in seconds; it keeps nothing."""


def build_redis_config_map(desired: Desired) -> Manifest | None:
    """The script that the nodes run; None where none is managed."""
    if _managed(desired) is None:
        return None
    body = {"data": {SCRIPT_FILE: REDIS_SCRIPT}}
    return build_object(desired, "v1", "ConfigMap", names.redis(desired.store.name), REDIS, body)


def build_redis_stateful_set(desired: Desired) -> Manifest | None:
    """Nodes of the cache, in memory only, since all of it can be computed again; None where none is managed."""
    redis = _managed(desired)
    if redis is None:
        return None
    store = desired.store
    selector = labels.selector(store.name, REDIS)
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector},
            }
        ],
        "containers": [_container(desired, redis)],
        **pull_secrets(desired),
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "script", "configMap": {"name": names.redis(store.name)}},
        ],
    }
    annotations = {SCRIPT_HASH: hashlib.sha256(REDIS_SCRIPT.encode()).hexdigest()[:16]}
    if redis.password_secret_name:
        annotations[SECRET_HASH] = desired.secret_hashes.get(redis.password_secret_name, "")
    body = {
        "spec": {
            "replicas": 0 if store.suspend else redis.managed_replicas,
            "serviceName": names.redis(store.name),
            # None leads, so none waits for another.
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": labels.labels(store.name, REDIS), "annotations": annotations},
                "spec": pod,
            },
        }
    }
    return build_object(desired, "apps/v1", "StatefulSet", names.redis(store.name), REDIS, body)


def build_redis_service(desired: Desired) -> Manifest | None:
    """Headless Service of the cache; None where none is managed."""
    store = desired.store
    if _managed(desired) is None:
        return None
    body = {
        "spec": {
            "clusterIP": "None",
            # Nodes find each other before they are ready.
            "publishNotReadyAddresses": True,
            "selector": labels.selector(store.name, REDIS),
            "ports": [
                {"name": "redis", "port": REDIS_PORT, "targetPort": "redis", "protocol": "TCP"},
                {"name": "bus", "port": REDIS_BUS_PORT, "targetPort": "bus", "protocol": "TCP"},
            ],
        }
    }
    return build_object(desired, "v1", "Service", names.redis(store.name), REDIS, body)


def _managed(desired: Desired) -> ResolvedRedis | None:
    redis = desired.store.redis
    return redis if redis is not None and redis.managed_replicas else None


def _container(desired: Desired, redis: ResolvedRedis) -> dict[str, Any]:
    script = f"{SCRIPT_FOLDER}/{SCRIPT_FILE}"
    return {
        "name": REDIS,
        "image": desired.images.redis,
        "imagePullPolicy": desired.images.pull_policy,
        "command": ["sh", script],
        "env": _environment(desired, redis),
        "ports": [
            {"name": "redis", "containerPort": REDIS_PORT, "protocol": "TCP"},
            {"name": "bus", "containerPort": REDIS_BUS_PORT, "protocol": "TCP"},
        ],
        "resources": {"requests": {"memory": redis.managed_memory}, "limits": {"memory": redis.managed_memory}},
        "startupProbe": {"tcpSocket": {"port": "redis"}, "periodSeconds": 1, "failureThreshold": 120},
        "livenessProbe": {"tcpSocket": {"port": "redis"}, "periodSeconds": 10, "failureThreshold": 6},
        "readinessProbe": {"exec": {"command": ["sh", script, "ready"]}, "periodSeconds": 5, "timeoutSeconds": 5},
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "script", "mountPath": SCRIPT_FOLDER, "readOnly": True},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _environment(desired: Desired, redis: ResolvedRedis) -> list[dict[str, Any]]:
    name = names.redis(desired.store.name)
    peers = [f"{name}-{number}.{name}:{REDIS_PORT}:{REDIS_BUS_PORT}" for number in range(redis.managed_replicas)]
    memory = {"resourceFieldRef": {"containerName": REDIS, "resource": "limits.memory"}}
    env: list[dict[str, Any]] = [
        {"name": "REDIS_PEERS", "value": " ".join(peers)},
        {"name": "REDIS_CLUSTER_ID", "value": desired.uid},
        {"name": "REDIS_DATA", "value": "/data"},
        {"name": "REDIS_MEMORY", "valueFrom": memory},
    ]
    if redis.password_secret_name:
        source = {"secretKeyRef": {"name": redis.password_secret_name, "key": REDIS_PASSWORD}}
        env.append({"name": REDIS_PASSWORD, "valueFrom": source})
    return env

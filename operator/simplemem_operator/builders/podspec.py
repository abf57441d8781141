"""The pods of a store: what all its workloads share."""

from __future__ import annotations

import hashlib
from typing import Any

from simplemem_api.resolved import ResolvedStore, StorageKind
from simplemem_api.secret_names import (
    BUCKET_KEYS,
    CLOUD_KEY,
    REDIS_PASSWORD,
    REDIS_URL,
    backup_secrets_of,
    secrets_of,
)
from simplemem_operator import labels, names
from simplemem_operator.builders.config_map import render_store
from simplemem_operator.constants import (
    CONFIG_FOLDER,
    CONFIG_HASH,
    CONTAINER,
    DATA_FOLDER,
    DRAIN_SECONDS,
    EMBEDDING_URLS,
    GRACE_SECONDS,
    MODELS_FOLDER,
    PORT,
    REDIS_PORT,
    SECRET_HASH,
    START_SECONDS,
    STORE_FILE,
    TOKENS_FOLDER,
    USER_ID,
)
from simplemem_operator.models.desired import Desired, Manifest

EMBEDDING_ROLE = "embedding"
"""Role of the pods that encode for the writer; they hold no data and call nobody."""

WRITING_ROLES = frozenset({"all", "ingest"})
"""Roles that encode what is to be stored."""

BACKUP_PREFIX = "SIMPLEMEM_BACKUP_"
"""Begins the names of the variables with the credentials of the copies."""

HASH_LENGTH = 16
"""Hexadecimal digits of a hash in an annotation; enough to tell two contents apart, short enough to read."""


def build_pod_template(desired: Desired, component: str, role: str) -> Manifest:
    """Template of a workload's pods; its hashes change exactly when the pods must be replaced."""
    store = desired.store
    # A volume grows under its pod. Its size stays in the ConfigMap, from which a move reads the former place.
    grown = store.storage.model_copy(update={"volume_size": None})
    hashes, config = desired.secret_hashes, render_store(store.model_copy(update={"storage": grown}))
    if role not in WRITING_ROLES:
        own = secrets_of(store)
        hashes = {name: found for name, found in hashes.items() if name in own}
    if role == EMBEDDING_ROLE:
        # Nothing but the model and the tokens touches these pods, so nothing else may take them off their GPUs.
        hashes = {name: found for name, found in hashes.items() if name == store.access.token_secret_name}
        config = store.embedding.model_copy(update={"gpu": None}).model_dump_json()
    return {
        "metadata": {
            "labels": labels.labels(store.name, component),
            "annotations": {
                **store.pods.annotations,
                CONFIG_HASH: _hash(config),
                SECRET_HASH: _hash(repr(sorted(hashes.items()))),
            },
        },
        "spec": {
            "serviceAccountName": store.name,
            "automountServiceAccountToken": False,
            # A Service called `simplemem` would set SIMPLEMEM_PORT, which is a setting of ours.
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER_ID,
                "runAsGroup": USER_ID,
                "fsGroup": USER_ID,
                # A large volume would otherwise be walked at every start.
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(desired, role)],
            "volumes": _volumes(store),
            **_spread(store, component, role),
            **_scheduling(store),
        },
    }


def _container(desired: Desired, role: str) -> Manifest:
    store = desired.store
    return {
        "name": CONTAINER,
        "image": desired.images.service,
        "imagePullPolicy": desired.images.pull_policy,
        "args": ["serve"],
        "env": [
            *_environment(store, role),
            *({"name": name, "value": value} for name, value in desired.images.tracing),
        ],
        **(
            {"envFrom": [{"secretRef": {"name": store.llm.secret_name}}]}
            if store.llm.secret_name and role != EMBEDDING_ROLE
            else {}
        ),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": store.pods.resources,
        "volumeMounts": _mounts(store),
        "startupProbe": {
            "httpGet": {"path": "/livez", "port": "http"},
            "periodSeconds": 1,
            "failureThreshold": START_SECONDS,
        },
        "livenessProbe": {
            "httpGet": {"path": "/livez", "port": "http"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "http"},
            "periodSeconds": 2,
            "timeoutSeconds": 5,
            "failureThreshold": 2,
        },
        # Serve on until no proxy sends requests here any more; the image has no shell to sleep with.
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _environment(store: ResolvedStore, role: str) -> list[dict[str, Any]]:
    env: list[dict[str, Any]] = [
        {"name": "SIMPLEMEM_ROLE", "value": role},
        {"name": "SIMPLEMEM_STORE_FILE", "value": f"{CONFIG_FOLDER}/{STORE_FILE}"},
        {"name": "SIMPLEMEM_DATA", "value": DATA_FOLDER},
        {"name": "SIMPLEMEM_TOKENS", "value": TOKENS_FOLDER},
    ]
    if store.embedding.weights is not None:
        env.append({"name": "SIMPLEMEM_MODELS", "value": MODELS_FOLDER})
    if role == EMBEDDING_ROLE:
        return env
    if store.embedding.gpu is not None and role in WRITING_ROLES:
        env.append({"name": EMBEDDING_URLS, "value": f"http://{names.embedding(store.name)}:{PORT}"})
    s3 = store.storage.s3
    if s3 is not None and s3.credentials_secret_name:
        env += [
            {"name": key, "valueFrom": {"secretKeyRef": {"name": s3.credentials_secret_name, "key": key}}}
            for key in BUCKET_KEYS
        ]
    env += _cloud_environment(store)
    if role in WRITING_ROLES:
        env += _backup_environment(store)
    return [*env, *_redis_environment(store)]


def _cloud_environment(store: ResolvedStore) -> list[dict[str, Any]]:
    cloud = store.storage.lance_db_cloud
    if cloud is None:
        return []
    source = {"secretKeyRef": {"name": cloud.api_key_secret_name, "key": CLOUD_KEY}}
    return [
        {"name": CLOUD_KEY, "valueFrom": source},
        *([{"name": "LANCEDB_HOST", "value": cloud.endpoint}] if cloud.endpoint else []),
    ]


def _backup_environment(store: ResolvedStore) -> list[dict[str, Any]]:
    """Credentials of the copies; optional, since the store must run where they are missing."""
    return [
        {
            "name": f"{BACKUP_PREFIX}{key}",
            "valueFrom": {"secretKeyRef": {"name": name, "key": key, "optional": True}},
        }
        for name, keys in backup_secrets_of(store).items()
        for key in keys
    ]


def _redis_environment(store: ResolvedStore) -> list[dict[str, Any]]:
    redis = store.redis
    if redis is None:
        return []
    if redis.url_secret_name:
        source = {"secretKeyRef": {"name": redis.url_secret_name, "key": REDIS_URL}}
        return [{"name": REDIS_URL, "valueFrom": source}]
    place = f"{names.redis(store.name)}:{REDIS_PORT}"
    if not redis.password_secret_name:
        return [{"name": REDIS_URL, "value": f"redis://{place}"}]
    source = {"secretKeyRef": {"name": redis.password_secret_name, "key": REDIS_PASSWORD}}
    # The kubelet puts the password in; it stands in no object.
    url = f"redis://:$({REDIS_PASSWORD})@{place}"
    return [{"name": REDIS_PASSWORD, "valueFrom": source}, {"name": REDIS_URL, "value": url}]


def _mounts(store: ResolvedStore) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
        {"name": "data", "mountPath": DATA_FOLDER},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a mount of its own
    ]
    if store.access.token_secret_name:
        mounts.append({"name": "tokens", "mountPath": TOKENS_FOLDER, "readOnly": True})
    if store.embedding.weights is not None:
        mounts.append({"name": "models", "mountPath": MODELS_FOLDER, "readOnly": True})
    return mounts


def _volumes(store: ResolvedStore) -> list[dict[str, Any]]:
    is_volume = store.storage.kind is StorageKind.PVC
    local = {"emptyDir": {"sizeLimit": store.pods.local_size} if store.pods.local_size else {}}
    claim = {"persistentVolumeClaim": {"claimName": names.data(store.name)}}
    volumes: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": names.config_map(store.name)}},
        {"name": "data", **(claim if is_volume else local)},
        {"name": "tmp", "emptyDir": {}},
    ]
    if store.access.token_secret_name:
        volumes.append({"name": "tokens", "secret": {"secretName": store.access.token_secret_name}})
    weights = store.embedding.weights
    if weights is not None and weights.claim_name:
        read_only = {"claimName": weights.claim_name, "readOnly": True}
        volumes.append({"name": "models", "persistentVolumeClaim": read_only})
    elif weights is not None and weights.image:
        volumes.append({"name": "models", "image": {"reference": weights.image}})
    return volumes


def _spread(store: ResolvedStore, component: str, role: str) -> dict[str, Any]:
    """Pods that answer questions stand in different zones, and there on different nodes, as far as there is room.

    A wish, since nodes without a zone would otherwise take no pod at all. Counted among pods of one revision, so that a
    roll does not end lopsided.
    """
    if role != "retrieval":
        return {}
    terms = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels.selector(store.name, component)},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
    return {"topologySpreadConstraints": terms}


def _scheduling(store: ResolvedStore) -> dict[str, Any]:
    pods = store.pods
    wanted = {
        "nodeSelector": pods.node_selector,
        "tolerations": pods.tolerations,
        "affinity": pods.affinity,
        "priorityClassName": pods.priority_class_name,
    }
    return {key: value for key, value in wanted.items() if value}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]

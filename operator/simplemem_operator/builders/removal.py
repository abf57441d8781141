"""What removes the objects of a deleted store from its bucket, under `deletionPolicy: Delete`.

While the store lives there is only a record: a ConfigMap without an owner that says what to remove. It outlives the
MemoryStore, which so needs no finalizer, and everything that carries the removal out belongs to it.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from simplemem_api.resolved import ResolvedStore, StorageKind
from simplemem_api.secret_names import BUCKET_KEYS
from simplemem_api.storage_spec import DeletionPolicy
from simplemem_operator import labels, names
from simplemem_operator.builders.command_pod import build_command_template
from simplemem_operator.builders.common import build_object
from simplemem_operator.builders.service_account import build_service_account
from simplemem_operator.constants import ATTEMPT, CONFIG_FOLDER, STORE_FILE, STORE_UID
from simplemem_operator.models.desired import Desired, Images, Manifest

REMOVAL = "removal"
"""Component that removes."""
LONGEST_SECONDS = 3600
"""How long a run may take, in seconds, all its pods together; 100,000 objects take some minutes, and what one run has
removed the next one need not."""
TRIES_AGAIN = 5
"""Pods made after one that failed, over some ten minutes."""
RESOURCES = {"requests": {"cpu": "50m", "memory": "192Mi"}, "limits": {"memory": "512Mi"}}
"""What the pod asks for; it holds names, and no content."""


def build_removal_record(desired: Desired) -> Manifest | None:
    """What is to be removed once the store is deleted; None where its data stays, or goes with its volume."""
    store = desired.store
    if store.storage.kind is not StorageKind.S3 or store.storage.deletion_policy is not DeletionPolicy.DELETE:
        return None
    text = json.dumps(store.model_dump(mode="json", by_alias=True), indent=1, sort_keys=True) + "\n"
    name = names.removal(store.name)
    body = {"data": {STORE_FILE: text}}
    annotations = {STORE_UID: desired.uid}
    return build_object(desired, "v1", "ConfigMap", name, REMOVAL, body, is_owned=False, annotations=annotations)


def read_record(record: Manifest) -> ResolvedStore | None:
    """The store that a record speaks of; None where somebody made it say anything else."""
    metadata = record["metadata"]
    try:
        store = ResolvedStore.model_validate(json.loads(record["data"][STORE_FILE]))
    except (KeyError, TypeError, ValueError, ValidationError):
        return None
    is_own = (store.namespace, names.removal(store.name)) == (metadata["namespace"], metadata["name"])
    return store if is_own and store.storage.s3 is not None else None


def build_removal(store: ResolvedStore, record: Manifest, images: Images, attempt: int) -> list[Manifest]:
    """All that carries a removal out, in order of application; it goes with the record."""
    desired = Desired(store, record["metadata"]["annotations"][STORE_UID], images)
    name = names.removal(store.name)
    account = build_service_account(desired)
    account["metadata"]["name"] = name
    account["metadata"]["labels"] = labels.labels(store.name, REMOVAL)
    policy = build_object(desired, "networking.k8s.io/v1", "NetworkPolicy", name, REMOVAL, _policy(store))
    job = build_object(desired, "batch/v1", "Job", name, REMOVAL, _job(desired), annotations={ATTEMPT: str(attempt)})
    owner = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": name,
        "uid": record["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
    children = [account, policy, job]
    for child in children:
        child["metadata"]["ownerReferences"] = [dict(owner)]
    return children


def _policy(store: ResolvedStore) -> dict[str, Any]:
    """Nobody reaches the pod."""
    selector = {"matchLabels": labels.selector(store.name, REMOVAL)}
    return {"spec": {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": []}}


def _job(desired: Desired) -> dict[str, Any]:
    store = desired.store
    env: list[Manifest] = [{"name": "SIMPLEMEM_STORE_FILE", "value": f"{CONFIG_FOLDER}/{STORE_FILE}"}]
    s3 = store.storage.s3
    if s3 is not None and s3.credentials_secret_name:
        env += [
            {"name": key, "valueFrom": {"secretKeyRef": {"name": s3.credentials_secret_name, "key": key}}}
            for key in BUCKET_KEYS
        ]
    template = build_command_template(
        desired,
        REMOVAL,
        ["erase", "--store", f"{store.namespace}/{store.name}"],
        env=env,
        resources=RESOURCES,
        volumes=("config", "tmp"),
    )
    pod = template["spec"]
    pod["serviceAccountName"] = names.removal(store.name)
    for volume in pod["volumes"]:
        if volume["name"] == "config":
            volume["configMap"] = {"name": names.removal(store.name)}
    return {"spec": {"backoffLimit": TRIES_AGAIN, "activeDeadlineSeconds": LONGEST_SECONDS, "template": template}}

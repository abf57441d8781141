"""Events of MemoryStores and of what belongs to them; they only wake the store's loop.

Raw events, and no kopf daemon, because a daemon puts a finalizer on every object: a MemoryStore has nothing to do at
its end (its children go by ownership), so it must be deletable while no operator runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kopf

from simplemem_api.memorystore import GROUP, PLURAL, VERSION
from simplemem_operator.labels import INSTANCE_LABEL, MANAGER, MANAGER_LABEL
from simplemem_operator.loops import StoreLoops
from simplemem_operator.secret_index import SecretIndex

CHILDREN = (
    ("apps", "v1", "deployments"),
    ("", "v1", "services"),
    ("", "v1", "configmaps"),
    ("", "v1", "serviceaccounts"),
    ("", "v1", "persistentvolumeclaims"),
    ("", "v1", "pods"),
    ("networking.k8s.io", "v1", "networkpolicies"),
    ("policy", "v1", "poddisruptionbudgets"),
    ("autoscaling", "v2", "horizontalpodautoscalers"),
)
"""Kinds whose events wake their store."""


def register(registry: kopf.OperatorRegistry, loops: StoreLoops, secrets: SecretIndex) -> None:
    """Register all handlers that wake loops."""

    async def store_event(*, body: kopf.Body, namespace: str | None, name: str, type: str, **_: Any) -> None:  # noqa: A002
        key = (namespace or "", name)
        if type == "DELETED":
            secrets.forget(key)
            loops.forget(key)
            return
        secrets.remember(key, body.get("spec") or {})
        loops.wake(key)

    async def child_event(*, namespace: str | None, labels: Mapping[str, str], **_: Any) -> None:
        loops.wake_known((namespace or "", labels.get(INSTANCE_LABEL, "")))

    async def secret_event(*, namespace: str | None, name: str, **_: Any) -> None:
        for key in secrets.users_of(namespace or "", name):
            loops.wake_known(key)

    kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, id="store")(store_event)
    ours = {MANAGER_LABEL: MANAGER}
    for group, version, plural in CHILDREN:
        kopf.on.event(group, version, plural, registry=registry, labels=ours, id=plural)(child_event)
    kopf.on.event("", "v1", "secrets", registry=registry, id="secrets")(secret_event)

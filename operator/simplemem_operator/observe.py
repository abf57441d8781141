"""What exists of a store, from what is known already: children, Secrets and the health of its pods."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simplemem_operator import labels
from simplemem_operator.caches import Caches
from simplemem_operator.claims import owner_of
from simplemem_operator.cluster import Cluster
from simplemem_operator.kinds import SECRETS
from simplemem_operator.models.desired import Manifest
from simplemem_operator.models.observed import Observed, PodHealth, SecretState
from simplemem_operator.object_cache import Key
from simplemem_operator.probe import Report


@dataclass(frozen=True, slots=True)
class Digest:
    """What is remembered of a Secret."""

    version: int
    """The version that was read."""
    content_hash: str
    """Hash of its data."""
    keys: frozenset[str]
    """Keys that hold something."""


class Observer:
    """Reads what exists of a store.

    Parameters
    ----------
    cluster
        For what no cache knows: the data of a Secret that changed.
    caches
        What is known.
    reports
        Gives the last reports of a store's pods, by the pod's uid.
    """

    def __init__(self, cluster: Cluster, caches: Caches, reports: Callable[[str, str], Mapping[str, Report]]) -> None:
        self._cluster = cluster
        self._caches = caches
        self._reports = reports
        self._digests: dict[Key, Digest] = {}

    def observe(self, namespace: str, store: str, uid: str) -> Observed:
        """Children that are known and ours; uid is the identity of their owner."""
        children = self._caches.children(namespace, store)
        ours = tuple(child for child in children if owner_of(child["metadata"]) in (None, uid))
        return Observed(ours, unserved=self._caches.unserved)

    def child(self, namespace: str, store: str, kind: str, name: str) -> Manifest | None:
        """A child of a store as it is known, or None."""
        found = self._caches.child(kind, namespace, name)
        is_its = found is not None and (found["metadata"].get("labels") or {}).get(labels.INSTANCE_LABEL) == store
        return found if is_its else None

    def read_secrets(self, namespace: str, wanted: Mapping[str, tuple[str, ...]]) -> tuple[SecretState, ...]:
        """State of the Secrets that the pods read; values go no further than into a hash."""
        return tuple(self._secret(namespace, name, keys) for name, keys in wanted.items())

    def read_pods(self, namespace: str, store: str) -> tuple[PodHealth, ...]:
        """Health of the store's pods that are not on their way out."""
        reports = self._reports(namespace, store)
        pods = self._caches.pods(namespace, store)
        return tuple(
            _pod(pod, reports.get(pod["metadata"]["uid"], {}))
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
        )

    def _secret(self, namespace: str, name: str, keys: tuple[str, ...]) -> SecretState:
        version, known = self._caches.secret_version(namespace, name), self._digests.get((namespace, name))
        if not version:
            self._digests.pop((namespace, name), None)
            return SecretState(name, is_there=False)
        if known is None or known.version < version:
            known = self._read_secret(namespace, name)
        if known is None:
            return SecretState(name, is_there=False)
        return SecretState(name, True, tuple(key for key in keys if key not in known.keys), known.content_hash)

    def _read_secret(self, namespace: str, name: str) -> Digest | None:
        found = self._cluster.read(SECRETS, namespace, name)
        if found is None:
            return None
        data: dict[str, str] = found.get("data") or {}
        digest = hashlib.sha256()
        for key, value in sorted(data.items()):
            digest.update(f"{key}={value}\0".encode())
        filled = frozenset(key for key, value in data.items() if value)
        known = Digest(int(found["metadata"]["resourceVersion"]), digest.hexdigest()[:16], filled)
        self._digests[namespace, name] = known
        return known


def _pod(pod: Manifest, report: Report) -> PodHealth:
    status = pod.get("status", {})
    conditions = {found["type"]: found["status"] for found in status.get("conditions") or ()}
    return PodHealth(
        component=pod["metadata"].get("labels", {}).get(labels.COMPONENT_LABEL, ""),
        is_ready=conditions.get("Ready") == "True",
        checks={name: check for name, check in report.get("checks", {}).items() if isinstance(check, dict)},
        figures={key: value for key, value in report.get("figures", {}).items() if isinstance(value, int)},
        is_placed=bool(pod.get("spec", {}).get("nodeName")),
        waiting=_waiting(status),
    )


STARTING = frozenset({"ContainerCreating", "PodInitializing"})
"""Reasons of the kubelet that say nothing is wrong."""


def _waiting(status: Manifest) -> str:
    for container in status.get("containerStatuses") or ():
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") not in STARTING:
            return f"{waiting.get('reason')}: {waiting.get('message', '')}".strip(": ")[:256]
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason')}: {condition.get('message', '')}".strip(": ")[:256]
    return ""

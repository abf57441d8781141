"""What exists of a store, from what is known already: children, Secrets and the health of its pods."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from simplemem_operator import labels
from simplemem_operator.caches import Caches
from simplemem_operator.cluster import Cluster
from simplemem_operator.kinds import KINDS, SECRETS
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
        For what no cache knows: objects that are not ours, and the data of a Secret that changed.
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

    def observe(self, namespace: str, store: str, uid: str, wanted: Iterable[Manifest]) -> Observed:
        """Children that are ours, and foreign objects that stand where a wanted child should be."""
        ours = [child for child in self._caches.children(namespace, store) if _owner(child) in (None, uid)]
        known = {(child["kind"], child["metadata"]["name"]) for child in ours}
        unserved = self._caches.unserved
        foreign = [
            f"{child['kind']}/{child['metadata']['name']}"
            for child in wanted
            if (child["kind"], child["metadata"]["name"]) not in known
            and child["kind"] not in unserved
            and self._is_foreign(child, uid)
        ]
        return Observed(tuple(ours), tuple(foreign), unserved=unserved)

    def child(self, namespace: str, store: str, kind: str, name: str) -> Manifest | None:
        """A child of a store as it is known, or None."""
        wanted = (kind, name)
        found = self._caches.children(namespace, store)
        return next((child for child in found if (child["kind"], child["metadata"]["name"]) == wanted), None)

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

    def _is_foreign(self, child: Manifest, uid: str) -> bool:
        """Whether an object of a wanted child's name belongs to somebody else; none of ours is known."""
        metadata = child["metadata"]
        found = self._cluster.read_metadata(KINDS[child["kind"]], metadata["namespace"], metadata["name"])
        if found is None:
            return False
        # An object of ours may be there before its event.
        is_labelled = all((found.get("labels") or {}).get(key) == metadata["labels"][key] for key in OWN_LABELS)
        return not is_labelled or _owner({"metadata": found}) not in (None, uid)

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


OWN_LABELS = (labels.INSTANCE_LABEL, labels.MANAGER_LABEL)
"""Labels by which an object of ours is known."""


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


def _owner(child: Manifest) -> str | None:
    owners = child["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


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

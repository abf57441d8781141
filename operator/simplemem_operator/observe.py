"""Reads what exists of a store: children, Secrets and the health of its pods."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from simplemem_operator import labels
from simplemem_operator.cluster import KINDS, PODS, SECRETS, Cluster
from simplemem_operator.models.desired import Manifest
from simplemem_operator.models.observed import Observed, PodHealth, SecretState
from simplemem_operator.probe import Probe


class Observer:
    """Reads what exists of a store."""

    def __init__(self, cluster: Cluster, probe: Probe) -> None:
        self._cluster = cluster
        self._probe = probe

    def observe(self, namespace: str, store: str, uid: str, wanted: Iterable[Manifest]) -> Observed:
        """Children that are ours, and foreign objects that stand where a wanted child should be."""
        selector = labels.as_text({labels.INSTANCE_LABEL: store, labels.MANAGER_LABEL: labels.MANAGER})
        children = [
            child for kind in KINDS.values() for child in self._cluster.list_labelled(kind, namespace, selector)
        ]
        ours = [child for child in children if _owner(child) in (None, uid)]
        known = {(child["kind"], child["metadata"]["name"]) for child in ours}
        foreign = [
            f"{kind}/{name}"
            for kind, name in ((child["kind"], child["metadata"]["name"]) for child in wanted)
            if (kind, name) not in known and self._cluster.read(KINDS[kind], namespace, name) is not None
        ]
        return Observed(tuple(ours), tuple(foreign))

    def read_secrets(self, namespace: str, wanted: Mapping[str, tuple[str, ...]]) -> tuple[SecretState, ...]:
        """State of the Secrets that the pods read; values go no further than into a hash."""
        return tuple(self._secret(namespace, name, keys) for name, keys in wanted.items())

    def read_pods(self, namespace: str, store: str) -> tuple[PodHealth, ...]:
        """Health of the store's pods that are not on their way out."""
        selector = labels.as_text({labels.INSTANCE_LABEL: store, labels.MANAGER_LABEL: labels.MANAGER})
        pods = self._cluster.list_labelled(PODS, namespace, selector)
        return tuple(self._pod(pod) for pod in pods if "deletionTimestamp" not in pod["metadata"])

    def _secret(self, namespace: str, name: str, keys: tuple[str, ...]) -> SecretState:
        found = self._cluster.read(SECRETS, namespace, name)
        if found is None:
            return SecretState(name, is_there=False)
        data: dict[str, str] = found.get("data") or {}
        digest = hashlib.sha256()
        for key, value in sorted(data.items()):
            digest.update(f"{key}={value}\0".encode())
        return SecretState(name, True, tuple(key for key in keys if not data.get(key)), digest.hexdigest()[:16])

    def _pod(self, pod: Manifest) -> PodHealth:
        status = pod.get("status", {})
        conditions = {found["type"]: found["status"] for found in status.get("conditions") or ()}
        report = self._probe.read(pod)
        figures = {key: value for key, value in report.get("figures", {}).items() if isinstance(value, int)}
        return PodHealth(
            component=pod["metadata"].get("labels", {}).get(labels.COMPONENT_LABEL, ""),
            is_ready=conditions.get("Ready") == "True",
            checks={name: check for name, check in report.get("checks", {}).items() if isinstance(check, dict)},
            figures=figures,
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

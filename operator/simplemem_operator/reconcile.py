"""One pass over one store: observe, resolve, build, diff, apply, prune, status, event.

A pass starts from the MemoryStore as it is now, so an edit made during a pass is seen by the next one, which its event
has woken already. Whatever fails, the status is written: a user must not read a stale one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simplemem_api.conditions import Reason
from simplemem_api.errors import InvalidStoreError
from simplemem_api.load import parse_store
from simplemem_api.resolve import resolve
from simplemem_api.resolved import ResolvedStore
from simplemem_operator import metrics
from simplemem_operator.builders import WORKLOADS, build_children
from simplemem_operator.builders.podspec import secrets_of
from simplemem_operator.cluster import STORES, Cluster
from simplemem_operator.conditions import Findings, Verdict, blocker
from simplemem_operator.constants import FIELD_MANAGER
from simplemem_operator.diff import diff
from simplemem_operator.errors import ForbiddenError, OperatorError
from simplemem_operator.events import build_event
from simplemem_operator.models.desired import Desired, Images, Manifest
from simplemem_operator.models.observed import Observed
from simplemem_operator.observe import Observer
from simplemem_operator.status import build_failed_status, build_status, is_news, ready_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a pass ended."""

    exists: bool
    """Whether the MemoryStore is still there."""
    is_ready: bool
    """Whether it is Ready."""
    has_failed: bool
    """Whether the pass failed, so that the next one should wait longer."""


class Reconciler:
    """Makes passes. Blocking, and safe to call for different stores at once."""

    def __init__(
        self,
        cluster: Cluster,
        observer: Observer,
        images: Images,
        *,
        operator_namespace: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._observer = observer
        self._images = images
        self._operator_namespace = operator_namespace
        self._now = now

    def reconcile(self, namespace: str, name: str) -> Outcome:
        """One pass. Raises `OperatorError` only if the MemoryStore itself can be neither read nor written."""
        manifest = self._cluster.read(STORES, namespace, name)
        if manifest is None or "deletionTimestamp" in manifest["metadata"]:
            return Outcome(exists=False, is_ready=False, has_failed=False)
        try:
            store = resolve(parse_store(manifest))
        except InvalidStoreError as error:
            verdict = (False, Reason.INVALID_SPEC, str(error)[:1024])
            return self._publish(manifest, build_failed_status(verdict, *self._basis(manifest)), has_failed=False)
        failure: Verdict | None = None
        observed = Observed(())
        try:
            desired = self._desire(store, manifest["metadata"]["uid"])
            observed = self._carry_out(desired)
        except OperatorError as error:
            metrics.RECONCILE_ERRORS.labels(error=type(error).__name__).inc()
            log.warning("pass failed", extra={"store": f"{namespace}/{name}", "error": str(error)})
            reason = Reason.FORBIDDEN if isinstance(error, ForbiddenError) else Reason.API_ERROR
            failure = (False, reason, str(error))
        status = build_status(Findings(store, observed, failure), *self._basis(manifest))
        return self._publish(manifest, status, has_failed=failure is not None)

    def _desire(self, store: ResolvedStore, uid: str) -> tuple[Desired, Observed]:
        secrets = self._observer.read_secrets(store.namespace, secrets_of(store))
        hashes = {secret.name: secret.content_hash for secret in secrets}
        desired = Desired(store, uid, self._images, hashes, self._operator_namespace)
        return desired, Observed((), secrets=secrets)

    def _carry_out(self, wanted: tuple[Desired, Observed]) -> Observed:
        """Write what differs; the answer is what exists afterwards, as far as the status needs it."""
        desired, known = wanted
        store = desired.store
        children = build_children(desired)
        observed = self._observer.observe(store.namespace, store.name, desired.uid, children)
        observed = Observed(observed.children, observed.foreign, known.secrets)
        plan = diff(children, observed)
        held = WORKLOADS if blocker(store, observed) else frozenset()
        for step in plan.apply:
            kind, name = step.manifest["kind"], step.manifest["metadata"]["name"]
            if kind in held or f"{kind}/{name}" in observed.foreign:
                continue
            self._hand_over(step.manifest, observed)
            self._cluster.apply(step.manifest)
            log.info("applied", extra={"object": f"{kind} {store.namespace}/{name}", "reason": step.reason})
        for step in plan.delete:
            self._cluster.delete(step.manifest)
            kind, name = step.manifest["kind"], step.manifest["metadata"]["name"]
            log.info("deleted", extra={"object": f"{kind} {store.namespace}/{name}", "reason": step.reason})
        pods = self._observer.read_pods(store.namespace, store.name)
        return Observed(observed.children, observed.foreign, known.secrets, pods)

    def _hand_over(self, manifest: Manifest, observed: Observed) -> None:
        """Leave the number of pods as it is when an autoscaler takes it over.

        A field that its only owner gives up goes back to its default, here one pod. So the number is first applied once
        more under another owner's name, who never comes back for it.
        """
        if manifest["kind"] != "Deployment" or "replicas" in manifest["spec"]:
            return
        live = observed.child("Deployment", manifest["metadata"]["name"])
        if live is not None and _owns_replicas(live):
            self._cluster.apply_replicas(live)

    def _basis(self, manifest: Manifest) -> tuple[int, dict[str, Any], datetime]:
        return manifest["metadata"]["generation"], manifest.get("status") or {}, self._now()

    def _publish(self, manifest: Manifest, status: dict[str, Any], *, has_failed: bool) -> Outcome:
        metadata, previous = manifest["metadata"], manifest.get("status") or {}
        namespace, name = metadata["namespace"], metadata["name"]
        ready, before = ready_of(status), ready_of(previous)
        if is_news(status, previous):
            self._cluster.apply_status(namespace, name, status)
            if (ready["status"], ready["reason"]) != (before.get("status"), before.get("reason")):
                self._cluster.post_event(namespace, build_event(manifest, ready, self._now()))
        is_ready = ready["status"] == "True"
        metrics.STORE_READY.labels(namespace=namespace, name=name).set(is_ready)
        if "cost" in status:
            metrics.STORE_COST.labels(namespace=namespace, name=name).set(float(status["cost"]["monthlyUSD"]))
        return Outcome(exists=True, is_ready=is_ready, has_failed=has_failed)


def _owns_replicas(live: Manifest) -> bool:
    for entry in live["metadata"].get("managedFields") or ():
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply":
            return "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
    return False

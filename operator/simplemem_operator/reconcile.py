"""One pass over one store: observe, resolve, build, diff, apply, prune, status, event.

A pass starts from the MemoryStore as it is known now, so an edit made during a pass is seen by the next one, which its
event has woken already, or which the answer to the pass's own write of the status asks for. It reads caches, and the
API only for what no cache can tell: whose a name is that turned out to be taken, and whether the MemoryStore is still
there before anything is made for it. What it wrote is known to the next pass, event or not. Whatever fails, the status
is written: a user must not read a stale one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from simplemem_api.conditions import Reason
from simplemem_api.errors import InvalidStoreError
from simplemem_api.load import parse_store
from simplemem_api.prices import BUILT_IN, Prices
from simplemem_api.resolve import resolve
from simplemem_api.resolved import ResolvedStore
from simplemem_api.secret_names import backup_secrets_of, secrets_of
from simplemem_operator import metrics, names
from simplemem_operator.builders import WORKLOADS, build_children
from simplemem_operator.caches import Caches
from simplemem_operator.claims import Claims
from simplemem_operator.cluster import Cluster
from simplemem_operator.conditions import Findings, blocker
from simplemem_operator.diff import KEPT, diff
from simplemem_operator.errors import (
    ForbiddenError,
    NamespaceEndingError,
    NotFoundError,
    OperatorError,
    PermanentError,
    RefusedError,
    StoreGoneError,
    TransientError,
)
from simplemem_operator.events import build_event, due_events
from simplemem_operator.handover import kept_replicas
from simplemem_operator.kinds import KINDS, STORES
from simplemem_operator.migration import Move, keep_storage
from simplemem_operator.models.desired import Desired, Images, Manifest, Surroundings
from simplemem_operator.models.observed import Observed
from simplemem_operator.models.plan import Plan, Step
from simplemem_operator.models.scale import EmbeddingScale
from simplemem_operator.models.verdict import Verdict
from simplemem_operator.observe import Observer
from simplemem_operator.prune import owns_replicas, prune
from simplemem_operator.removal import Removals, store_of
from simplemem_operator.scaling import desired_scale, read_backlog, read_state, seconds_until_idle
from simplemem_operator.spending import read_machine_cost
from simplemem_operator.status import build_failed_status, build_status, is_news, keep_known, ready_of
from simplemem_operator.write_path import read_write_path

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
    is_transient: bool = False
    """Whether it failed for a cause that passes by itself, such as an API server that is away."""
    is_outdated: bool = False
    """Whether the MemoryStore was edited while the pass ran."""
    again_seconds: float | None = None
    """When the store should be looked at again although nothing happens, in seconds; None: at the next resync."""


FOREIGN_SECONDS = 10.0
"""How soon a name that somebody else has taken is looked at again, in seconds: no event tells that it is free."""

SOON_SECONDS = 1.0
"""How soon the pods are told what a pass has found of the month's cost, in seconds."""

GONE = Outcome(exists=False, is_ready=False, has_failed=False)
"""The outcome of a pass over a MemoryStore that is no longer there."""

RESTING = Outcome(exists=True, is_ready=True, has_failed=False)
"""The outcome where nothing can be done before the MemoryStore goes, and that is no failure."""


class Reconciler:
    """Makes passes. Blocking, and safe to call for different stores at once."""

    def __init__(
        self,
        cluster: Cluster,
        caches: Caches,
        observer: Observer,
        images: Images,
        *,
        surroundings: Surroundings | None = None,
        prices: Prices = BUILT_IN,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._observer = observer
        self._images = images
        self._surroundings = surroundings or Surroundings()
        self._prices = prices
        self._now = now
        self._claims = Claims(cluster)
        self._removals = Removals(cluster, caches, self._claims, images, now)
        self._ending: dict[tuple[str, str], str] = {}

    def reconcile(self, namespace: str, name: str) -> Outcome:
        """One pass. Raises `OperatorError` only if the status of the MemoryStore cannot be written."""
        manifest = self._caches.store(namespace, name)
        uid = manifest["metadata"]["uid"] if manifest else ""
        record = self._removals.find(namespace, name, living=uid)
        identity = uid or (record["metadata"]["uid"] if record else "")
        if self._ending.get((namespace, name)) == identity != "":
            return RESTING
        try:
            self._ending.pop((namespace, name), None)
            return self._look(manifest, record)
        except NamespaceEndingError as error:
            self._ending[namespace, name] = identity
            log.info(
                "namespace ends, nothing is made there", extra={"store": f"{namespace}/{name}", "said": str(error)}
            )
            return RESTING

    def _look(self, manifest: Manifest | None, record: Manifest | None) -> Outcome:
        """One pass over what there is of a store: the MemoryStore, what a deleted one of that name left, or both."""
        if manifest is None:
            return GONE if record is None else self._remove(record)
        if "deletionTimestamp" in manifest["metadata"]:
            return GONE
        try:
            return self._reconcile(manifest) if record is None else self._hold(manifest, record)
        except StoreGoneError:
            self._caches.drop(STORES, manifest)
            record = self._removals.find(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
            return GONE if record is None else self._remove(record)

    def _remove(self, record: Manifest) -> Outcome:
        """Remove what a deleted store left."""
        try:
            self._caches.check(record["metadata"]["namespace"])
            seconds = self._removals.advance(record)
        except OperatorError as error:
            metrics.RECONCILE_ERRORS.labels(error=type(error).__name__).inc()
            fields = {"store": store_of(record), "object": _object(record), "error": str(error)}
            log.warning("removal failed", extra=fields)
            return replace(GONE, exists=True, has_failed=True)
        return GONE if seconds is None else replace(GONE, exists=True, is_ready=True, again_seconds=seconds)

    def _hold(self, manifest: Manifest, record: Manifest) -> Outcome:
        """A store whose name an earlier one had begins when the data of that one is gone."""
        removal = self._remove(record)
        status = build_failed_status(self._removals.explain(record), *self._basis(manifest))
        outcome = self._publish(manifest, status, has_failed=removal.has_failed)
        return replace(outcome, again_seconds=removal.again_seconds or 1.0)

    def _reconcile(self, manifest: Manifest) -> Outcome:
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        try:
            store = resolve(parse_store(manifest))
        except InvalidStoreError as error:
            verdict = (False, Reason.INVALID_SPEC, str(error)[:1024])
            return self._publish(manifest, build_failed_status(verdict, *self._basis(manifest)), has_failed=False)
        failure: Verdict | None = None
        is_transient = False
        move: Move | None = None
        observed: Observed | None = None
        try:
            self._caches.check(namespace)
            live = self._observer.child(namespace, name, "ConfigMap", names.config_map(name))
            store, move = keep_storage(store, live, manifest)
            kept = self._kept_replicas(store, manifest)
            if kept is not None:
                store = store.model_copy(update={"retrieval": store.retrieval.model_copy(update={"replicas": kept})})
            desired = self._desire(store, manifest, kept)
            observed, refusal = self._carry_out(desired)
            if refusal is not None:
                raise refusal
        except OperatorError as error:
            metrics.RECONCILE_ERRORS.labels(error=type(error).__name__).inc()
            log.warning("pass failed", extra={"store": f"{namespace}/{name}", "error": str(error)})
            failure = (False, _reason(error), str(error))
            is_transient = isinstance(error, TransientError)
        findings = Findings(store, observed or Observed(()), failure, move, self._prices)
        status = build_status(findings, *self._basis(manifest))
        if observed is None:
            status = keep_known(status, manifest.get("status") or {})
        self._measure(store, findings.observed)
        outcome = replace(self._publish(manifest, status, has_failed=failure is not None), is_transient=is_transient)
        if read_machine_cost(store, status) != read_machine_cost(store, manifest.get("status") or {}):
            # The pods are told with the next pass.
            return replace(outcome, again_seconds=SOON_SECONDS)
        if findings.observed.foreign:
            return replace(outcome, again_seconds=FOREIGN_SECONDS)
        return replace(outcome, again_seconds=self._idle_seconds(store))

    def _idle_seconds(self, store: ResolvedStore) -> float | None:
        """When the embedding pods may go unless something needs them, in seconds; no event tells of that."""
        gpu, scale = store.embedding.gpu, self._scale(store)
        return None if gpu is None or scale is None else seconds_until_idle(scale, self._now(), gpu)

    def _kept_replicas(self, store: ResolvedStore, manifest: Manifest) -> int | None:
        """Number of retrieval pods that stays as an autoscaler left it."""
        name = names.retrieval(store.name)
        deployment, autoscaler = (
            self._observer.child(store.namespace, store.name, kind, name)
            for kind in ("Deployment", "HorizontalPodAutoscaler")
        )
        return kept_replicas(store, manifest["spec"], deployment, autoscaler)

    def _desire(self, store: ResolvedStore, manifest: Manifest, kept: int | None) -> tuple[Desired, Observed]:
        secrets = self._observer.read_secrets(store.namespace, secrets_of(store))
        of_copies = self._observer.read_secrets(store.namespace, backup_secrets_of(store))
        hashes = {secret.name: secret.content_hash for secret in (*of_copies, *secrets)}
        desired = Desired(
            store,
            manifest["metadata"]["uid"],
            self._images,
            hashes,
            self._surroundings,
            self._scale(store),
            kept,
            read_machine_cost(store, manifest.get("status") or {}),
        )
        return desired, Observed((), secrets=secrets, backup_secrets=of_copies)

    def _scale(self, store: ResolvedStore) -> EmbeddingScale | None:
        """The number of embedding pods from now on; None where there are none to be."""
        gpu = store.embedding.gpu
        if gpu is None:
            return None
        live = self._observer.child(store.namespace, store.name, "StatefulSet", names.embedding(store.name))
        backlog = read_backlog(self._observer.read_pods(store.namespace, store.name))
        return desired_scale(backlog, self._now(), read_state(live, gpu), gpu)

    def _carry_out(self, wanted: tuple[Desired, Observed]) -> tuple[Observed, PermanentError | None]:
        """Write what differs; what exists afterwards, as far as the status needs it, and the first refusal."""
        desired, known = wanted
        store = desired.store
        observed = self._observer.observe(store.namespace, store.name, desired.uid)
        observed = replace(observed, secrets=known.secrets, backup_secrets=known.backup_secrets)
        plan = diff([child for child in build_children(desired) if child["kind"] not in observed.unserved], observed)
        foreign, refusal = self._write(plan, desired, observed)
        pods = self._observer.read_pods(store.namespace, store.name)
        return replace(observed, foreign=foreign, pods=pods), refusal

    def _write(self, plan: Plan, desired: Desired, observed: Observed) -> tuple[tuple[str, ...], PermanentError | None]:
        """Carry out a plan; the objects of others in its way, and the first refusal.

        A refused object holds back the workloads, which may need it, and nothing else.
        """
        foreign: list[str] = []
        refusal: PermanentError | None = None
        is_lacking = False
        is_checked = False
        for step in plan.apply:
            kind, name = step.manifest["kind"], step.manifest["metadata"]["name"]
            is_held = kind in WORKLOADS and (is_lacking or blocker(desired.store, observed) is not None)
            if is_held:
                continue
            live = observed.child(kind, name)
            if live is None and not is_checked:
                self._check_exists(desired)
                is_checked = True
            try:
                if not self._apply(step, live, desired):
                    foreign.append(f"{kind}/{name}")
            except PermanentError as error:
                refusal = refusal or error
                # A volume that cannot grow serves on as it is.
                is_lacking = is_lacking or kind not in KEPT or live is None
        for step in plan.delete:
            self._cluster.delete(step.manifest)
            self._caches.drop(KINDS[step.manifest["kind"]], step.manifest)
            log.info("deleted", extra=_told(desired, step))
        return tuple(foreign), refusal

    def _check_exists(self, desired: Desired) -> None:
        """Make nothing for a MemoryStore that is gone; its event may be on the way, or lost with a watch."""
        found = self._cluster.read_metadata(STORES, desired.store.namespace, desired.store.name)
        if found is None or found["uid"] != desired.uid or "deletionTimestamp" in found:
            raise StoreGoneError

    def _apply(self, step: Step, live: Manifest | None, desired: Desired) -> bool:
        """Write an object; whether its name was free, or its own."""
        self._hand_over(step.manifest, live, desired)
        written = self._claims.apply(step.manifest, live, desired.uid)
        if written is None:
            return False
        self._caches.put(KINDS[step.manifest["kind"]], written)
        log.info("applied", extra=_told(desired, step))
        return True

    def _hand_over(self, manifest: Manifest, live: Manifest | None, desired: Desired) -> None:
        """Leave the number of pods as it is when an autoscaler takes it over.

        A field that its only owner gives up goes back to its default, here one pod. So the number is first applied once
        more under another owner's name, who never comes back for it. An autoscaler leaves a Deployment of no pods
        alone, so one that slept begins with the fewest.
        """
        autoscaling = desired.store.autoscaling
        if manifest["kind"] != "Deployment" or "replicas" in manifest["spec"] or autoscaling is None or live is None:
            return
        if owns_replicas(live["metadata"].get("managedFields") or ()):
            self._cluster.apply_replicas(live, live["spec"]["replicas"] or autoscaling.min_replicas)

    def _basis(self, manifest: Manifest) -> tuple[int, dict[str, Any], datetime]:
        return manifest["metadata"]["generation"], manifest.get("status") or {}, self._now()

    def _measure(self, store: ResolvedStore, observed: Observed) -> None:
        """What changes all the time goes into the metrics alone."""
        write_path = read_write_path(observed.pods)
        if write_path is not None:
            age = write_path.age(self._now()).total_seconds()
            metrics.WRITE_PATH_AGE.labels(namespace=store.namespace, name=store.name).set(age)

    def _publish(self, manifest: Manifest, status: dict[str, Any], *, has_failed: bool) -> Outcome:
        metadata, previous = manifest["metadata"], manifest.get("status") or {}
        namespace, name = metadata["namespace"], metadata["name"]
        ready = ready_of(status)
        is_outdated = False
        if is_news(status, previous):
            try:
                answer = self._cluster.apply_status(namespace, name, status)
                # The event of an edit before this write is older than the answer, so it will tell nothing new.
                is_outdated = self._caches.put(STORES, answer) and _asked(prune(STORES, answer)) != _asked(manifest)
            except NotFoundError as error:
                raise StoreGoneError from error
            self._post(manifest, due_events(status, previous))
        is_ready = ready["status"] == "True"
        metrics.STORE_READY.labels(namespace=namespace, name=name).set(is_ready)
        metrics.show_status(namespace, name, status)
        if "cost" in status:
            metrics.STORE_COST.labels(namespace=namespace, name=name).set(float(status["cost"]["monthlyUSD"]))
        return Outcome(exists=True, is_ready=is_ready, has_failed=has_failed, is_outdated=is_outdated)

    def _post(self, manifest: Manifest, conditions: Iterable[Mapping[str, Any]]) -> None:
        """Tell what has changed; the status, which says the same, is written already."""
        for condition in conditions:
            try:
                self._cluster.post_event(
                    manifest["metadata"]["namespace"], build_event(manifest, condition, self._now())
                )
            except OperatorError as error:
                metadata = manifest["metadata"]
                where = f"{metadata['namespace']}/{metadata['name']}"
                log.warning(
                    "event not posted", extra={"store": where, "object": _object(manifest), "error": str(error)}
                )


def _asked(manifest: Manifest) -> tuple[Any, Any]:
    """What a user says in a MemoryStore: its spec, and its metadata without the version."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "resourceVersion"}
    return metadata, manifest.get("spec")


def _reason(error: OperatorError) -> Reason:
    if isinstance(error, ForbiddenError):
        return Reason.FORBIDDEN
    return Reason.REFUSED if isinstance(error, RefusedError) else Reason.API_ERROR


def _told(desired: Desired, step: Step) -> dict[str, str]:
    """Fields of a log line about a child."""
    store = f"{desired.store.namespace}/{desired.store.name}"
    return {"store": store, "object": _object(step.manifest), "reason": step.reason}


def _object(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata['namespace']}/{metadata['name']}"

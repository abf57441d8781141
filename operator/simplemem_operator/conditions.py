"""What the conditions of a store are, from what a pass found. Pure.

Each function answers for one condition: whether it holds, why, and the cause in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from simplemem_api.conditions import STARTING, ConditionType, Reason
from simplemem_api.in_force import blocking_reason, not_in_force
from simplemem_api.prices import BUILT_IN, Prices
from simplemem_api.resolved import ResolvedStore, StorageKind
from simplemem_operator import names
from simplemem_operator.backups import judge_backup
from simplemem_operator.builders.cron_job import BACKUP
from simplemem_operator.builders.embedding import EMBEDDING
from simplemem_operator.builders.redis import REDIS
from simplemem_operator.builders.removal import REMOVAL
from simplemem_operator.credentials import judge_secret
from simplemem_operator.facts import Facts
from simplemem_operator.migration import Move
from simplemem_operator.models.desired import Manifest
from simplemem_operator.models.observed import Observed
from simplemem_operator.models.verdict import Verdict
from simplemem_operator.plan_limits import judge_plan
from simplemem_operator.spending import judge_budget
from simplemem_operator.standing import standing
from simplemem_operator.write_path import judge_write_path

HELPERS = frozenset({EMBEDDING, REDIS, BACKUP, REMOVAL})
"""Components that a store answers without."""

CHECK_REASONS = frozenset(str(reason) for reason in Reason)
"""Reasons that a pod may give; any other is passed on as a message only."""


BINDING_SECONDS = 60
"""How long a claim may wait for its volume, in seconds, before that is told: clouds take up to half a minute."""

BEHIND_SECONDS = 60
"""How long an index may lack entries of the table, in seconds, before that is told: a second is usual, and a large
import or a start takes some."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a pass knows when it judges."""

    store: ResolvedStore
    """The store."""
    observed: Observed
    """What exists of it."""
    failure: Verdict | None = None
    """Why the pass itself failed; it overrules Ready."""
    move: Move | None = None
    """Change of the data's place that waits for a yes."""
    prices: Prices = BUILT_IN
    """What things cost."""
    generation: int = 0
    """Generation of the MemoryStore that it was made from."""


def judge(findings: Findings, facts: Facts, previous: Mapping[str, Any], now: datetime) -> dict[ConditionType, Verdict]:
    """Every condition of the store, `Ready` first, then those that it sums up, then what is only told."""
    parts = {
        ConditionType.STORAGE_READY: _storage(findings, now),
        ConditionType.EMBEDDING_READY: _embedding(findings),
        ConditionType.RETRIEVAL_READY: _retrieval(findings, previous),
        ConditionType.INGEST_HEALTHY: _check(findings, "ingest", Reason.INGESTING, Reason.RECONCILING),
    }
    store = findings.store
    told = {
        ConditionType.INDEX_HEALTHY: _index(findings),
        ConditionType.WRITE_PATH_HEALTHY: judge_write_path(facts.write_path, now, is_suspended=store.suspend),
        ConditionType.WITHIN_BUDGET: _budget(findings, facts, previous, now),
        ConditionType.TIER_FITS: _tier(findings, facts, previous),
    }
    backup = judge_backup(store, findings.observed, previous)
    if backup is not None:
        told[ConditionType.BACKUP_SUCCEEDED] = backup
    plan = judge_plan(store, findings.observed, previous)
    if plan is not None:
        told[ConditionType.WITHIN_PLAN] = plan
    return {ConditionType.READY: _ready(findings, parts), **parts, **told}


def blocker(store: ResolvedStore, observed: Observed) -> Verdict | None:
    """Why no pods may be started or replaced now; None where they may."""
    for secret in observed.secrets:
        if lacking := judge_secret(secret, store.namespace):
            return lacking
    reason = blocking_reason(store)
    return (False, Reason.NOT_IN_FORCE, reason) if reason else None


def _ready(findings: Findings, parts: Mapping[ConditionType, Verdict]) -> Verdict:
    store, observed = findings.store, findings.observed
    if findings.failure is not None:
        return findings.failure
    if observed.foreign:
        found = ", ".join(observed.foreign)
        return False, Reason.FOREIGN_OBJECT, f"{found} belongs to somebody else and is left alone; rename or remove it"
    blocked = blocker(store, observed)
    if blocked is not None:
        return blocked
    if store.suspend:
        return False, Reason.SUSPENDED, "suspended: no pods run, the data is kept"
    unsettled = [verdict for verdict in parts.values() if verdict[0] is not True]
    if unsettled:
        # Where pods fail, that is why nobody has told the rest.
        failing = (verdict for verdict in unsettled if verdict[1] is Reason.PODS_FAILING)
        worst = unsettled[0] if unsettled[0][0] is False else next(failing, unsettled[0])
        return False, worst[1], worst[2]
    missing = not_in_force(store)
    note = f"; not yet in force: {', '.join(missing)}" if missing else ""
    return True, Reason.READY, f"the store answers{note}"


def _storage(findings: Findings, now: datetime) -> Verdict:
    store, observed = findings.store, findings.observed
    if findings.move is not None:
        return False, Reason.MIGRATION_REQUIRED, findings.move.explain(store)
    check = _worst_check(observed, "storage")
    if check is not None and not check.get("ok"):
        return False, _reason(check, Reason.STORAGE_UNWRITABLE), _message(check)
    if store.storage.kind is StorageKind.PVC:
        return _volume(names.data(store.name), observed, now)
    if check is None:
        return None, Reason.RECONCILING, "no pod has reported on the bucket yet"
    held = "the journal's bucket" if store.storage.kind is StorageKind.LANCEDB_CLOUD else "the bucket"
    return True, Reason.BUCKET_REACHABLE, f"{held} can be read and written"


def _volume(name: str, observed: Observed, now: datetime) -> Verdict:
    claim = observed.child("PersistentVolumeClaim", name)
    phase = claim.get("status", {}).get("phase", "Pending") if claim else "Pending"
    if phase == "Bound":
        return True, Reason.VOLUME_BOUND, f"claim '{name}' is bound"
    if claim is None or (phase == "Pending" and _is_binding(claim, now)):
        # Not unknown: that pods cannot start without it is no other trouble.
        return False, Reason.RECONCILING, f"claim '{name}' is not bound yet"
    return False, Reason.VOLUME_PENDING, f"claim '{name}' is {phase}; is there a StorageClass that serves it?"


def _is_binding(claim: Manifest, now: datetime) -> bool:
    """Whether a pending claim is on its way: it is new, and has the class that a cluster with a default gives it."""
    made = datetime.fromisoformat(claim["metadata"]["creationTimestamp"])
    return claim["spec"].get("storageClassName") is not None and (now - made).total_seconds() < BINDING_SECONDS


def _embedding(findings: Findings) -> Verdict:
    """About the pods that encode questions; the embedding pods are told beside, since everything works without them."""
    found = _check(findings, "embedding", Reason.MODEL_LOADED, Reason.MODEL_LOADING)
    stateful_set = findings.observed.child("StatefulSet", names.embedding(findings.store.name))
    if found[0] is not True or findings.store.embedding.gpu is None or stateful_set is None:
        return found
    pods = [pod for pod in findings.observed.pods if pod.component == EMBEDDING]
    ready, wanted = sum(pod.is_ready for pod in pods), int(stateful_set["spec"].get("replicas", 0))
    waiting = sorted({pod.waiting for pod in pods if pod.waiting})
    words = f"{found[2]}; {min(ready, wanted)} of {wanted} GPU pods ready"
    return True, found[1], "; ".join([words, *waiting])[:1024]


def _check(findings: Findings, name: str, good: Reason, unknown: Reason) -> Verdict:
    check = _worst_check(findings.observed, name)
    if findings.store.suspend:
        return None, Reason.SUSPENDED, "suspended"
    if check is None:
        return None, unknown, f"no pod has reported on {name} yet"
    if not check.get("ok"):
        return False, _reason(check, unknown), _message(check)
    return True, good, _message(check)


def _retrieval(findings: Findings, previous: Mapping[str, Any]) -> Verdict:
    store, observed = findings.store, findings.observed
    if store.suspend:
        return None, Reason.SUSPENDED, "suspended"
    waiting = sorted({pod.waiting for pod in observed.pods if pod.waiting and pod.component not in HELPERS})
    deployment = observed.child("Deployment", names.retrieval(store.name))
    if deployment is None:
        return None, Reason.RECONCILING, "no pods yet"
    waiting += _refused_pods(deployment)
    status = deployment.get("status", {})
    wanted = int(deployment["spec"].get("replicas", 1))
    ready, updated = int(status.get("readyReplicas", 0)), int(status.get("updatedReplicas", 0))
    is_current = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    before = standing(ConditionType.RETRIEVAL_READY, previous, generation=findings.generation)
    if not is_current and before is not None:
        # Even an annotation of somebody else makes a generation: what held stands until the controller has looked.
        return before
    # Pods that the autoscaler has just asked for take nothing from those that answer.
    needed = min(wanted, store.autoscaling.min_replicas) if store.autoscaling else wanted
    is_rolled = updated >= max(needed, int(status.get("replicas", 0)))
    words = "; ".join([f"{min(ready, wanted)} of {wanted} pods answer", *waiting])[:1024]
    if is_current and is_rolled and ready >= needed > 0:
        return True, Reason.PODS_READY, words
    return False, Reason.PODS_FAILING if waiting else Reason.PODS_NOT_READY, words


def _index(findings: Findings) -> Verdict:
    """About every pod that answers questions: each has an index of its own."""
    # A pod that starts answers nobody yet.
    told = tuple(pod for pod in findings.observed.pods if pod.checks.get("index", {}).get("message") != STARTING)
    findings = replace(findings, observed=replace(findings.observed, pods=told))
    found = _check(findings, "index", Reason.INDEX_FOLLOWS, Reason.RECONCILING)
    if found[0] is not True:
        return found if found[0] is None else (False, Reason.INDEX_BEHIND, found[2])
    seconds = [pod.figures.get("index_behind_seconds", 0) for pod in findings.observed.pods]
    behind = [value for value in seconds if value >= BEHIND_SECONDS]
    if behind:
        count = f"{len(behind)} of {len(seconds)} pods"
        return False, Reason.INDEX_BEHIND, f"{count} do not find the latest entries; they answer with what they have"
    return True, Reason.INDEX_FOLLOWS, "searches find all that the table holds"


def _tier(findings: Findings, facts: Facts, previous: Mapping[str, Any]) -> Verdict:
    before = standing(ConditionType.TIER_FITS, previous)
    if facts.rates is None and before is not None and previous.get("tier") == str(findings.store.tier):
        # Between two pods, and while it is suspended, the load is what it was.
        return before
    return facts.fit.verdict


def _budget(findings: Findings, facts: Facts, previous: Mapping[str, Any], now: datetime) -> Verdict:
    found = judge_budget(findings.store, findings.observed, previous, now, facts.planned)
    unknown = (None, Reason.RECONCILING, "no pod has reported what models cost yet")
    return found or standing(ConditionType.WITHIN_BUDGET, previous) or unknown


def _refused_pods(deployment: Mapping[str, Any]) -> list[str]:
    """Why pods cannot even be made, such as by a quota, in the API server's words."""
    conditions = deployment.get("status", {}).get("conditions") or ()
    return [
        str(found.get("message", ""))[:512]
        for found in conditions
        if found["type"] == "ReplicaFailure" and found["status"] == "True"
    ]


def _worst_check(observed: Observed, name: str) -> Mapping[str, Any] | None:
    checks = [pod.checks[name] for pod in observed.pods if name in pod.checks and pod.component not in HELPERS]
    return next((check for check in checks if not check.get("ok")), checks[0] if checks else None)


def _reason(check: Mapping[str, Any], default: Reason) -> str:
    reason = str(check.get("reason", ""))
    return reason if reason in CHECK_REASONS else default


def _message(check: Mapping[str, Any]) -> str:
    return str(check.get("message", ""))[:1024]

"""(findings, previous status, now) -> status, and the event that is due. Pure.

A status is written only when it says something new: times alone are not news.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from simplemem_api.conditions import ConditionType, Reason
from simplemem_api.resolved import ResolvedStore
from simplemem_operator import labels, names
from simplemem_operator.backups import last_backup_time
from simplemem_operator.builders.deployment import RETRIEVAL
from simplemem_operator.conditions import Findings, judge
from simplemem_operator.facts import read_facts
from simplemem_operator.fit import load_status
from simplemem_operator.models.observed import Observed
from simplemem_operator.models.verdict import Verdict
from simplemem_operator.spending import measured_status
from simplemem_operator.standing import TRUTH, condition_of
from simplemem_operator.times import write_time
from simplemem_operator.write_path import write_path_status

SAME_CAUSE = 64
"""How many characters of a message tell its cause; remote errors end in request ids, which would be news each time."""

DRIFT_SHARE = 0.05
"""Share by which the stored bytes may differ from the status before it is written again."""

DRIFT_BYTES = 4 * 1024 * 1024
"""The same in bytes while no entry comes or goes: what checks of the write path leave until it is tidied."""


SUMMED_UP = (ConditionType.STORAGE_READY, ConditionType.EMBEDDING_READY, ConditionType.RETRIEVAL_READY)
"""Conditions that every store has from the first pass on, beside Ready."""

NOT_LOOKED_AT: Verdict = (None, Reason.RECONCILING, "not looked at yet")
"""What those say before a pass has seen anything."""


def build_status(findings: Findings, generation: int, previous: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The status of a store whose spec could be read."""
    findings = replace(findings, generation=generation)
    store, observed = findings.store, findings.observed
    facts = read_facts(store, observed, previous, findings.prices)
    cost = facts.planned
    status: dict[str, Any] = {
        "observedGeneration": generation,
        "conditions": _conditions(judge(findings, facts, previous, now), generation, previous, now),
        "tier": str(store.tier),
        "endpoint": f"http://{store.name}.{store.namespace}.svc",
        "access": _access(store),
        "selector": labels.as_text(labels.selector(store.name, RETRIEVAL)),
        "embedding": {"model": store.embedding.model, "dimension": store.embedding.dimension},
        "cost": {
            "monthlyUSD": str(cost.monthly_usd),
            "items": [
                {"name": item.name, "monthlyUSD": str(item.monthly_usd), "basis": item.basis} for item in cost.items
            ],
            "catalogue": cost.catalogue,
            **measured_status(store, observed, previous, now, findings.prices, planned=cost),
        },
    }
    deployment = observed.child("Deployment", names.retrieval(store.name))
    if deployment is not None:
        status["replicas"] = int(deployment.get("status", {}).get("replicas", 0))
    status |= load_status(facts.rates, facts.fit, previous)
    write_path = write_path_status(facts.write_path, previous, now)
    if write_path is not None:
        status["writePath"] = write_path
    copied = last_backup_time(observed, previous)
    if copied is not None:
        status["lastBackupTime"] = copied
    return status | _figures(observed, previous)


def build_failed_status(
    verdict: Verdict, generation: int, previous: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The status of a store whose spec could not be read; what was known before stays."""
    verdicts: dict[ConditionType, Verdict] = {ConditionType.READY: verdict} | dict.fromkeys(SUMMED_UP, NOT_LOOKED_AT)
    others = [found for found in previous.get("conditions", ()) if found["type"] in {*ConditionType} - {*verdicts}]
    conditions = [*_conditions(verdicts, generation, previous, now), *others]
    kept = {key: value for key, value in previous.items() if key not in ("observedGeneration", "conditions")}
    return keep_known({**kept, "observedGeneration": generation, "conditions": conditions}, previous)


def keep_known(status: dict[str, Any], previous: Mapping[str, Any]) -> dict[str, Any]:
    """The status of a pass that failed before it saw anything: but for Ready, what was known before stays."""
    before = {found["type"]: found for found in previous.get("conditions", ())}
    conditions = [
        found if found["type"] == ConditionType.READY else before.get(found["type"], found)
        for found in status["conditions"]
    ]
    kept = {key: previous[key] for key in ("replicas", "cost") if key in previous}
    return {**status, **kept, "conditions": conditions}


def is_news(status: Mapping[str, Any], previous: Mapping[str, Any]) -> bool:
    """Whether a status says anything that the previous one does not; conditions of other writers do not count."""
    own = {condition["type"] for condition in status["conditions"]}
    before = dict(previous)
    before["conditions"] = [found for found in previous.get("conditions", ()) if found["type"] in own]
    return _timeless(status) != _timeless(before)


def ready_of(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The condition Ready of a status; empty where there is none."""
    return condition_of(ConditionType.READY, status)


def _timeless(status: Mapping[str, Any]) -> dict[str, Any]:
    conditions = sorted(
        ({key: value for key, value in found.items() if key != "lastTransitionTime"} for found in status["conditions"]),
        key=lambda found: str(found["type"]),
    )
    return {**status, "conditions": conditions}


def _conditions(
    verdicts: Mapping[ConditionType, Verdict], generation: int, previous: Mapping[str, Any], now: datetime
) -> list[dict[str, Any]]:
    before = {found["type"]: found for found in previous.get("conditions", ())}
    conditions = []
    for kind, (holds, reason, message) in verdicts.items():
        truth, old = TRUTH[holds], before.get(str(kind), {})
        is_same = old.get("status") == truth
        if is_same and old["reason"] == str(reason) and old["message"][:SAME_CAUSE] == message[:SAME_CAUSE]:
            message = old["message"]  # noqa: PLW2901 - the words of before stand
        conditions.append(
            {
                "type": str(kind),
                "status": truth,
                "observedGeneration": generation,
                "lastTransitionTime": old["lastTransitionTime"] if is_same else write_time(now),
                "reason": str(reason),
                "message": message,
            }
        )
    return conditions


def _access(store: ResolvedStore) -> str:
    namespaces = ", ".join(store.access.allowed_namespaces) or "no namespace"
    if store.access.token_secret_name:
        return f"bearer token, from {namespaces}"
    return f"no token, from {namespaces}"


def _is_steady(field: str, value: int, previous: Mapping[str, Any], *, has_other_entries: bool) -> bool:
    """Whether a size has only drifted: every compaction would be a write otherwise, and while no entry comes or goes,
    every check of the write path.
    """
    before = previous.get(field)
    if field != "storageBytes" or before is None:
        return False
    least = 0 if has_other_entries else DRIFT_BYTES
    return bool(abs(value - before) <= max(DRIFT_SHARE * before, least))


def _figures(observed: Observed, previous: Mapping[str, Any]) -> dict[str, int]:
    spelled = {"entries": "entries", "storage_bytes": "storageBytes", "pending_turns": "pendingTurns"}
    figures: dict[str, int] = {}
    for name, field in spelled.items():
        values = [pod.figures[name] for pod in observed.pods if name in pod.figures]
        has_other_entries = figures.get("entries") != previous.get("entries")
        # Between two pods, such as during a roll, the last known figure stands.
        if values and not _is_steady(field, max(values), previous, has_other_entries=has_other_entries):
            figures[field] = max(values)
        elif field in previous:
            figures[field] = previous[field]
    return figures

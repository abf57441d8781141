"""What the status says of backups. Pure.

The pod that writes tells how the last one ended. A run that never got as far as that pod is told by the CronJob: it was
due, is over, and no copy is as young.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from simplemem_api.conditions import ConditionType, Reason
from simplemem_api.resolved import ResolvedStore
from simplemem_operator import names
from simplemem_operator.models.observed import Observed, SecretState
from simplemem_operator.models.verdict import Verdict

CHECK = "backup"
"""Name of the check of the pod that writes."""
FIGURE = "last_backup_seconds"
"""When the last good copy was complete, in seconds since 1970."""
REASONS = frozenset({Reason.BACKED_UP, Reason.BACKUP_FAILED, Reason.NO_BACKUP_YET})
"""Reasons that stand while no pod tells anything, such as during a roll."""


def judge_backup(store: ResolvedStore, observed: Observed, previous: Mapping[str, Any]) -> Verdict | None:
    """The condition BackupSucceeded; None where the spec asks for no backups."""
    if store.backup is None:
        return None
    lacking = [found for secret in observed.backup_secrets if (found := _lacking(secret, store.namespace))]
    if lacking:
        return lacking[0]
    if store.suspend:
        return None, Reason.SUSPENDED, "suspended"
    told = _told(observed)
    if told is not None and told[0] is False:
        return told
    return _missed(store, observed, previous) or told or _standing(previous)


def last_backup_time(observed: Observed, previous: Mapping[str, Any]) -> str | None:
    """When the last good copy was complete, as the status has it; what stood there where no pod tells."""
    told = [pod.figures[FIGURE] for pod in observed.pods if FIGURE in pod.figures]
    if not told:
        return previous.get("lastBackupTime")
    return datetime.fromtimestamp(max(told), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _lacking(secret: SecretState, namespace: str) -> Verdict | None:
    if not secret.is_there:
        told = f"secret '{secret.name}' of the copies does not exist in namespace '{namespace}'; create it"
        return False, Reason.SECRET_MISSING, told
    if secret.missing_keys:
        keys = ", ".join(f"'{key}'" for key in secret.missing_keys)
        return False, Reason.SECRET_KEY_MISSING, f"secret '{secret.name}' of the copies has no key {keys}; add it"
    return None


def _told(observed: Observed) -> Verdict | None:
    """What the pod that writes says; None where there is none, or it has not looked yet."""
    check = next((pod.checks[CHECK] for pod in observed.pods if CHECK in pod.checks), {})
    message = str(check.get("message", ""))[:1024]
    verdicts: dict[str | None, Verdict] = {
        Reason.BACKED_UP: (True, Reason.BACKED_UP, message),
        Reason.NO_BACKUP_YET: (None, Reason.NO_BACKUP_YET, message),
        Reason.BACKUP_FAILED: (False, Reason.BACKUP_FAILED, message),
    }
    return verdicts.get(check.get("reason"))


def _missed(store: ResolvedStore, observed: Observed, previous: Mapping[str, Any]) -> Verdict | None:
    """What a run of the CronJob that is over without a copy says; None where the last one made one, or runs."""
    name = names.backup(store.name)
    status = (observed.child("CronJob", name) or {}).get("status") or {}
    due, good = status.get("lastScheduleTime"), status.get("lastSuccessfulTime")
    if not due or status.get("active") or (good and _time(good) >= _time(due)):
        return None
    copied = last_backup_time(observed, previous)
    if copied and _time(copied) >= _time(due):
        return None
    before = f"the last good copy is of {copied}" if copied else "there is no good copy"
    told = f"the run of CronJob '{name}' that was due at {due} made no copy; the logs of its pods tell why; {before}"
    return False, Reason.BACKUP_FAILED, told


def _standing(previous: Mapping[str, Any]) -> Verdict:
    """What was known before."""
    for found in previous.get("conditions", ()):
        if found["type"] == ConditionType.BACKUP_SUCCEEDED and found["reason"] in REASONS:
            return {"True": True, "False": False}.get(found["status"]), found["reason"], found["message"]
    return None, Reason.RECONCILING, "no pod has reported on backups yet"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

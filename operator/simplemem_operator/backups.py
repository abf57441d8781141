"""What the status says of backups. Pure.

The pod that writes tells how the last one ended. A run that never got as far as that pod is told by the CronJob: it was
due, is over, and no copy is as young.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from simplemem_api.conditions import ConditionType, Reason
from simplemem_api.in_force import backup_in_force
from simplemem_api.resolved import ResolvedStore
from simplemem_operator import names
from simplemem_operator.credentials import judge_secret
from simplemem_operator.models.observed import Observed
from simplemem_operator.models.verdict import Verdict
from simplemem_operator.standing import standing
from simplemem_operator.times import write_time

CHECK = "backup"
"""Name of the check of the pod that writes."""
FIGURE = "last_backup_seconds"
"""When the last good copy was complete, in seconds since 1970."""
REASONS = frozenset({Reason.BACKED_UP, Reason.BACKUP_FAILED, Reason.NO_BACKUP_YET})
"""Reasons that stand while no pod tells anything, such as during a roll."""


def judge_backup(store: ResolvedStore, observed: Observed, previous: Mapping[str, Any]) -> Verdict | None:
    """The condition BackupSucceeded; None where no backups are made."""
    if backup_in_force(store) is None:
        return None
    for secret in observed.backup_secrets:
        if lacking := judge_secret(secret, store.namespace, of="the copies"):
            return lacking
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
    return write_time(datetime.fromtimestamp(max(told), UTC))


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
    before = standing(ConditionType.BACKUP_SUCCEEDED, previous)
    if before is not None and before[1] in REASONS:
        return before
    return None, Reason.RECONCILING, "no pod has reported on backups yet"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

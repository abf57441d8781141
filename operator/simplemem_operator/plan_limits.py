"""Whether a store's tables are within its plan of LanceDB Cloud. Pure.

Told at four fifths and until three quarters are used again, in steps of a twentieth, so that a growing store is written
about a few times and not at each entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simplemem_api.cloud_plans import PLAN_LIMITS, PlanLimit
from simplemem_api.conditions import ConditionType, Reason
from simplemem_api.resolved import ResolvedStore
from simplemem_operator.models.observed import Observed
from simplemem_operator.models.verdict import Verdict
from simplemem_operator.standing import standing

FULL_PERCENT = 100
"""Share of a plan from which on the vendor may refuse writes."""
TOLD_PERCENT = 80
"""Share of a plan that is told."""
QUIET_PERCENT = 75
"""Share below which it is told no more."""
STEP_PERCENT = 5
"""Steps in which the share is told."""


def judge_plan(store: ResolvedStore, observed: Observed, previous: Mapping[str, Any]) -> Verdict | None:
    """The condition WithinPlan; None where the store does not lie on LanceDB Cloud."""
    cloud = store.storage.lance_db_cloud
    if cloud is None:
        return None
    limit = PLAN_LIMITS.get(cloud.plan)
    if limit is None:
        return True, Reason.PLAN_HOLDS, f"the limits of plan {cloud.plan} are by contract"
    entries = _figure("entries", "entries", observed, previous)
    size = _figure("storage_bytes", "storageBytes", observed, previous)
    if entries is None or size is None:
        return None, Reason.RECONCILING, "no pod has told the size of the tables yet"
    percent = _used_percent(entries, size, limit)
    before = standing(ConditionType.WITHIN_PLAN, previous)
    was_told = before is not None and before[0] is False
    if percent < (QUIET_PERCENT if was_told else TOLD_PERCENT):
        return True, Reason.PLAN_HOLDS, f"plan {cloud.plan} holds {limit.words()}"
    advice = "name a larger one in storage.lanceDBCloud.plan, or forget more by spec.retention"
    told = f"{percent} % of plan {cloud.plan} ({limit.words()}) are used; {advice}"
    return False, Reason.PLAN_FULL if percent >= FULL_PERCENT else Reason.PLAN_NEARLY_FULL, told


def _used_percent(entries: int, size: int, limit: PlanLimit) -> int:
    """The share that is used, rounded down to a step."""
    share = max(entries / limit.vectors, size / limit.size_bytes)
    return int(share * 100) // STEP_PERCENT * STEP_PERCENT


def _figure(name: str, field: str, observed: Observed, previous: Mapping[str, Any]) -> int | None:
    """What the pods tell, or else what the status has."""
    told = [pod.figures[name] for pod in observed.pods if name in pod.figures]
    found = max(told) if told else previous.get(field)
    return None if found is None else int(found)

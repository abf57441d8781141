"""Whether what is written can be found, by the turns that the pods write and search back. Pure.

The pods tell when that last succeeded; how long ago that is changes all the time, so the status says it once a day
while all is well, and at once where it matters. The metrics have the age at every pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from simplemem_api.conditions import Reason
from simplemem_operator.models.observed import PodHealth
from simplemem_operator.models.verdict import Verdict
from simplemem_operator.times import write_time

STALE_INTERVALS = 3
"""Intervals without a success after which the write path is taken for broken: one turn may be lost with its pod."""
RETOLD = timedelta(days=1)
"""How often the time of the last success is written while all is well: of a thousand stores less than one a minute."""
CHECK = "write_path"
"""Name of the pods' check, which has what went wrong last."""


@dataclass(frozen=True, slots=True)
class WritePath:
    """What the pods of a store say of their turns."""

    interval: timedelta
    """From one turn to the next."""
    since: datetime
    """Since when the first of these pods sends them."""
    last: datetime | None
    """When one was last found again; None: not yet."""
    milliseconds: int
    """How long that one took."""
    complaint: str
    """What went wrong last; empty where nothing did."""

    def age(self, now: datetime) -> timedelta:
        """How long nothing has been found again."""
        return max(timedelta(0), now - (self.last or self.since))

    @property
    def limit(self) -> timedelta:
        """How long that may be."""
        return STALE_INTERVALS * self.interval

    def is_stale(self, now: datetime) -> bool:
        """Whether that is too long, and the pods have had that long to prove otherwise: after a night without pods, the
        last success is old and says nothing.
        """
        return min(self.age(now), now - self.since) > self.limit


def read_write_path(pods: Iterable[PodHealth]) -> WritePath | None:
    """What the pods say; None where none of them sends turns."""
    found = [pod for pod in pods if pod.figures.get("canary_interval_seconds")]
    if not found:
        return None
    best = max(found, key=lambda pod: pod.figures.get("canary_at", 0))
    last = best.figures.get("canary_at", 0)
    complaints = [str(pod.checks[CHECK].get("message", "")) for pod in found if not _is_well(pod)]
    return WritePath(
        interval=timedelta(seconds=best.figures["canary_interval_seconds"]),
        since=_time(min(pod.figures.get("canary_since", 0) for pod in found)),
        last=_time(last) if last else None,
        milliseconds=best.figures.get("canary_milliseconds", 0),
        complaint=complaints[0][:512] if complaints else "",
    )


def judge_write_path(found: WritePath | None, now: datetime, *, is_suspended: bool) -> Verdict:
    """The condition WritePathHealthy."""
    if is_suspended:
        return None, Reason.SUSPENDED, "suspended"
    if found is None:
        return None, Reason.NOT_CHECKED, "no pod has reported on the write path; SIMPLEMEM_CANARY_SECONDS may be 0"
    limit = _minutes(found.limit)
    if found.is_stale(now):
        cause = f": {found.complaint}" if found.complaint else ""
        return False, Reason.WRITE_PATH_STALE, f"for more than {limit} no turn written was found by a search{cause}"
    if found.last is None or found.age(now) > found.limit:
        return None, Reason.RECONCILING, "the first turn is on its way"
    return True, Reason.WRITE_PATH_PROVEN, f"within the last {limit} a turn was written, found by a search and removed"


def write_path_status(found: WritePath | None, previous: Mapping[str, Any], now: datetime) -> dict[str, Any] | None:
    """The part `writePath` of the status; what stood there, unless that is to be told anew. None: nothing is known."""
    before: dict[str, Any] | None = previous.get("writePath")
    if found is None or found.last is None:
        return before
    told = datetime.fromisoformat(before["lastSuccessTime"]) if before else None
    if told is not None and not found.is_stale(now) and timedelta(0) <= found.last - told < RETOLD:
        return before
    return {
        "lastSuccessTime": write_time(found.last),
        "latencyMilliseconds": found.milliseconds,
    }


def _is_well(pod: PodHealth) -> bool:
    return bool(pod.checks.get(CHECK, {"ok": True}).get("ok"))


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _minutes(time: timedelta) -> str:
    seconds = round(time.total_seconds())
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"

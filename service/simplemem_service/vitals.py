"""Figures of a pod that take a look at its parts to tell: how long its index is behind, and what paid models cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from simplemem_service.llm.budget import Budget

STEP = timedelta(minutes=1)
"""Unit in which the time that an index is behind is told: seconds would be news at each question."""


class Vitals:
    """What was last seen.

    Parameters
    ----------
    clock
        Seconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._behind_since: float | None = None
        self._spend: dict[str, int] = {}

    def note_lag(self, rows: int) -> None:
        """So many entries of the table are not found by searches here."""
        if rows == 0:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = self._clock()

    async def note_spend(self, budget: Budget | None) -> None:
        """Look at what this month has cost; `StorageUnavailableError` while nothing was read yet."""
        if budget is not None:
            report = await budget.report()
            month = int(str(report["month"]).replace("-", ""))
            self._spend = {"spend_month": month, "spend_cents": round(100 * float(report["month_usd"]))}

    def figures(self) -> dict[str, int]:
        """What the operator judges by."""
        step = STEP.total_seconds()
        behind = 0.0 if self._behind_since is None else self._clock() - self._behind_since
        return {"index_behind_seconds": int(behind // step * step), **self._spend}

"""What the month's budget allows, and what is told about spending."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Any

from simplemem_api.memory_spec import BudgetAction
from simplemem_api.resolved import ResolvedBudget
from simplemem_service.llm.ledger import Ledger, Totals, Usage
from simplemem_service.llm.machines import Machines

logger = logging.getLogger(__name__)

RULES_BASIS = "Rules mode: no language model is called"
"""How a spending of nothing comes about where no model is configured."""


class Verdict(StrEnum):
    """What may be called now."""

    ALL = "all"
    """Any model."""
    CHEAPEST = "cheapest"
    """The cheapest one alone."""
    NONE = "none"
    """No model; turns are accepted and compressed by rules."""


BEYOND = {
    BudgetAction.WARN: Verdict.ALL,
    BudgetAction.CHEAPER_MODEL: Verdict.CHEAPEST,
    BudgetAction.REJECT_WRITES: Verdict.NONE,
}
"""What each action allows beyond the budget."""


class Budget:
    """Watches the ledger for a store.

    Parameters
    ----------
    limit
        The budget; None: none.
    ledger
        What was spent on models.
    machines
        What machines and storage have cost.
    """

    def __init__(self, limit: ResolvedBudget | None, ledger: Ledger, machines: Machines | None = None) -> None:
        self._limit = limit
        self._ledger = ledger
        self._machines = machines or Machines(None)
        self._told_month = ""

    async def verdict(self) -> Verdict:
        """What may be called now; says once a month that the budget is used up."""
        limit = self._limit
        if limit is None:
            return Verdict.ALL
        machines = self._machines.usd(self._ledger.month)
        spent = sum_usd(await self._ledger.totals()) + machines
        if spent < float(limit.monthly_usd):
            return Verdict.ALL
        if self._told_month != self._ledger.month:
            self._told_month = self._ledger.month
            fields: dict[str, Any] = {"month": self._told_month, "spent_usd": round(spent, 4)}
            fields["budget_usd"] = str(limit.monthly_usd)
            fields |= {"machines_usd": machines, "action": str(limit.on_exceeded)}
            logger.warning("budget of the month is used up", extra=fields)
        return BEYOND[limit.on_exceeded]

    async def record(self, model: str, usage: Usage) -> None:
        """Note what a call cost."""
        await self._ledger.record(model, usage)

    async def report(self) -> dict[str, Any]:
        """The spending of the month, as /v1/status shows it."""
        totals = await self._ledger.totals()
        spent = sum_usd(totals)
        report: dict[str, Any] = {
            "month": self._ledger.month,
            "month_usd": round(spent, 6),
            "by_model": {
                model: {
                    "usd": round(usage.usd, 6),
                    "calls": usage.calls,
                    "input_tokens": usage.input_tokens,
                    "output_tokens": usage.output_tokens,
                }
                for model, usage in sorted(totals.items())
            },
            "basis": _basis(totals),
        }
        if self._limit is not None:
            machines = self._machines.usd(self._ledger.month)
            report |= {
                "machines_usd": round(machines, 2),
                "budget_usd": float(self._limit.monthly_usd),
                "on_exceeded": str(self._limit.on_exceeded),
                "exceeded": spent + machines >= float(self._limit.monthly_usd),
            }
        return report


def sum_usd(totals: Totals) -> float:
    """US dollars of all models together."""
    return sum(usage.usd for usage in totals.values())


def _basis(totals: Totals) -> str:
    unpriced = sorted(model for model, usage in totals.items() if usage.unpriced_calls)
    basis = "tokens of language and embedding models at catalogue prices, calendar month in UTC, all pods"
    return f"{basis}; no price is known for {', '.join(unpriced)}" if unpriced else basis

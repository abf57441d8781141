"""Counts what a paid call used: in the metrics of the process and in the ledger of the store."""

from __future__ import annotations

from simplemem_service.llm.budget import Budget
from simplemem_service.llm.ledger import Usage
from simplemem_service.llm.prices import Price
from simplemem_service.telemetry import Metrics


class Spending:
    """Where the use of models is noted.

    Parameters
    ----------
    metrics
        Counters of the process.
    budget
        Notes it for the month; None: the metrics alone.
    """

    def __init__(self, metrics: Metrics, budget: Budget | None) -> None:
        self._metrics = metrics
        self._budget = budget

    async def record(self, model: str, price: Price | None, input_tokens: int, output_tokens: int = 0) -> None:
        """Note a reply, whatever it was worth: it is paid for."""
        usd = price.of(input_tokens, output_tokens) if price else 0.0
        self._metrics.llm_tokens_total.labels(model, "input").inc(input_tokens)
        self._metrics.llm_tokens_total.labels(model, "output").inc(output_tokens)
        self._metrics.llm_cost_usd_total.labels(model).inc(usd)
        if self._budget is not None:
            await self._budget.record(model, Usage(1, input_tokens, output_tokens, usd, int(price is None)))

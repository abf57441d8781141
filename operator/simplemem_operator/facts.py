"""What several parts of a status are made from, read once a pass. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simplemem_api.cost import Cost, monthly_cost
from simplemem_api.prices import Prices
from simplemem_api.resolved import ResolvedStore
from simplemem_operator.fit import Fit, Rates, judge_fit, read_rates
from simplemem_operator.models.observed import Observed
from simplemem_operator.write_path import WritePath, read_write_path


@dataclass(frozen=True, slots=True)
class Facts:
    """Figures of a store."""

    planned: Cost
    """What it is planned to cost a month."""
    rates: Rates | None
    """How much it is used; None where no pod tells."""
    fit: Fit
    """What that says of its tier."""
    write_path: WritePath | None
    """What the pods say of the turns that they write and search back."""


def read_facts(store: ResolvedStore, observed: Observed, previous: Mapping[str, Any], prices: Prices) -> Facts:
    """The facts of a pass."""
    rates = read_rates(observed.pods)
    return Facts(
        planned=monthly_cost(store, prices),
        rates=rates,
        fit=judge_fit(store, rates, previous),
        write_path=read_write_path(observed.pods),
    )

"""What a store has cost this month, item by item: hours at the catalogue's prices, and what was really paid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from simplemem_api.cost import Cost, CostItem, Meter, monthly_cost
from simplemem_api.prices import BUILT_IN, CENT, Prices
from simplemem_api.resolved import ResolvedStore

MONTH_HOURS = Decimal(730)
"""Hours of a month: 365 days of 24 hours, by 12."""
GIGABYTE = Decimal(10**9)
"""Bytes that object storage is priced by."""
UNITS = {
    Meter.STORE: "h",
    Meter.UP: "h up",
    Meter.RETRIEVAL: "pod hours",
    Meter.GPU: "GPU hours",
    Meter.REDIS: "node hours",
}
"""What each meter of hours counts, in words."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What was measured since the month began, or since the store did."""

    hours: Mapping[Meter, Decimal]
    """By meter."""
    models_usd: Decimal = Decimal(0)
    """What models were paid."""
    stored_bytes: int = 0
    """Bytes stored now."""


def measured_cost(store: ResolvedStore, readings: Readings, prices: Prices = BUILT_IN) -> Cost:
    """The month so far.

    Hours count a 730th of a month's price each. Models count what they were paid and not what was planned; together,
    whether they write or embed. Stored bytes are taken to have been as many all the time as they are now.
    """
    planned = monthly_cost(store.model_copy(update={"suspend": False}), prices).items
    items = [_measure(item, readings) for item in planned if item.meter is not Meter.MODELS]
    paid = readings.models_usd.quantize(CENT, ROUND_HALF_UP)
    items.append(CostItem("models", paid, "tokens that were paid for, of language and embedding models", Meter.MODELS))
    return Cost(tuple(items), prices.catalogue)


def _measure(item: CostItem, readings: Readings) -> CostItem:
    is_bytes = item.meter is Meter.BYTES
    hours = readings.hours.get(Meter.STORE if is_bytes else item.meter, Decimal(0))
    units = readings.stored_bytes / GIGABYTE if is_bytes else Decimal(1)
    amount = (hours / MONTH_HOURS * item.unit_usd * units).quantize(CENT, ROUND_HALF_UP)
    size = f"{units:.1f} GB for " if is_bytes else ""
    words = UNITS[Meter.STORE if is_bytes else item.meter]
    return CostItem(item.name, amount, f"{size}{hours:.1f} {words} at ${item.unit_usd} a month", item.meter)

"""The month so far: hours at the catalogue's prices, tokens as they were paid for, bytes as they lie there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from simplemem_api.cost import Meter, monthly_cost
from simplemem_api.measured_cost import MONTH_HOURS, Readings, measured_cost
from tests.support.stores import S3, make_store

CLOUD = {"lanceDBCloud": {"uri": "db://x", "apiKeySecretName": "key"}}
HALF = dict.fromkeys(Meter, MONTH_HOURS / 2)


def items_of(hours: dict[Meter, Decimal], usd: str = "0", size: int = 0, **spec: Any) -> dict[str, Decimal]:
    readings = Readings(hours, Decimal(usd), size)
    return {item.name: item.monthly_usd for item in measured_cost(make_store(**spec), readings).items}


def test_half_a_month_costs_half_and_models_what_they_were_paid() -> None:
    assert items_of(HALF, "1.234", tier="Minimal") == {"server": Decimal(15), "models": Decimal("1.23")}


def test_pods_are_paid_by_the_hours_that_they_ran() -> None:
    hours = {Meter.STORE: Decimal(730), Meter.UP: Decimal(730), Meter.RETRIEVAL: Decimal(3650), Meter.GPU: Decimal(73)}
    found = items_of(hours, tier="GPUAccelerated", storage=CLOUD)
    assert found == {"nodes": 150, "GPU": Decimal("32.50"), "LanceDB Cloud": 99, "models": 0}


def test_stored_bytes_are_paid_by_the_gigabyte() -> None:
    found = items_of({Meter.STORE: MONTH_HOURS}, size=200 * 10**9, tier="GPUAccelerated", storage=S3)
    assert found["S3 storage"] == Decimal("4.60")


def test_what_ran_before_a_suspension_is_still_paid() -> None:
    assert items_of(HALF, tier="Minimal", suspend=True)["server"] == Decimal(15)


def test_nothing_measured_costs_nothing() -> None:
    assert measured_cost(make_store(tier="Enterprise", storage=S3), Readings({})).monthly_usd == 0


@given(st.sampled_from(["Minimal", "CostEffective", "Hybrid"]), st.integers(0, 744))
def test_a_store_that_is_always_up_costs_no_more_than_planned_but_for_its_models(tier: str, hours: int) -> None:
    store = make_store(tier=tier)
    planned = {item.name: item.monthly_usd for item in monthly_cost(store).items}
    found = measured_cost(store, Readings(dict.fromkeys(Meter, Decimal(hours))))
    share = Decimal(hours) / MONTH_HOURS
    for item in found.items:
        assert item.basis
        assert abs(item.monthly_usd - share * planned.get(item.name, Decimal(0))) <= Decimal("0.02")

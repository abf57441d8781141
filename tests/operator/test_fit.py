"""Which tier a load asks for: the table's bounds, the margins around them, and that advice does not swing."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_api.memorystore import TierName
from simplemem_api.tier_advice import LADDER, advise
from simplemem_api.tiers import TIERS, Load
from simplemem_operator.fit import Rates, judge_fit, load_status, read_rates
from simplemem_operator.models.observed import PodHealth
from tests.support.stores import S3, make_store

MINIMAL, COST, GPU, ENTERPRISE, HYBRID = TierName
LOADS = st.builds(Load, st.integers(0, 3_000_000), st.integers(0, 300_000))


def test_the_bounds_are_those_of_the_tier_table() -> None:
    assert [(name, tier.load) for name, tier in TIERS.items()] == [
        (MINIMAL, Load(1_000, 100)),
        (COST, Load(10_000, 1_000)),
        (GPU, Load(100_000, 10_000)),
        (ENTERPRISE, Load(1_000_000, 100_000)),
        (HYBRID, None),
    ]


@pytest.mark.parametrize(
    ("present", "load", "before", "tier"),
    [
        (MINIMAL, (0, 0), None, MINIMAL),
        (MINIMAL, (1_000, 100), None, MINIMAL),
        (MINIMAL, (1_200, 120), None, MINIMAL),
        (MINIMAL, (1_201, 0), None, COST),
        (MINIMAL, (0, 121), None, COST),
        (MINIMAL, (1_100, 0), COST, COST),
        (MINIMAL, (1_000, 0), COST, MINIMAL),
        (MINIMAL, (0, 5_000), None, GPU),
        (COST, (500, 50), None, MINIMAL),
        (COST, (800, 80), None, MINIMAL),
        (COST, (801, 0), None, COST),
        (COST, (950, 0), MINIMAL, MINIMAL),
        (COST, (1_001, 0), MINIMAL, COST),
        (COST, (50_000, 10), None, GPU),
        (COST, (110_000, 10), GPU, GPU),
        (COST, (121_000, 10), GPU, ENTERPRISE),
        (GPU, (0, 0), None, MINIMAL),
        (GPU, (900, 0), COST, COST),
        (GPU, (700, 0), COST, MINIMAL),
        (ENTERPRISE, (9_000_000, 0), None, ENTERPRISE),
        (ENTERPRISE, (70_000, 0), None, GPU),
        (HYBRID, (9_000_000, 0), None, HYBRID),
        (HYBRID, (0, 0), "Nonsense", HYBRID),
        (MINIMAL, (5_000, 0), "Nonsense", COST),
    ],
)
def test_a_margin_lies_around_each_bound(
    present: TierName, load: tuple[int, int], before: str | None, tier: TierName
) -> None:
    assert advise(present, Load(*load), before) == tier


@given(st.sampled_from(TierName), LOADS, st.sampled_from([None, *TierName]))
def test_advice_for_the_same_load_stays(present: TierName, load: Load, before: str | None) -> None:
    first = advise(present, load, before)
    assert advise(present, load, first) == first


@given(st.sampled_from(LADDER), LOADS)
def test_what_is_advised_holds_the_load(present: TierName, load: Load) -> None:
    bounds = TIERS[advise(present, load, None)].load
    assert bounds is not None
    if load.turns <= 1_000_000 and load.queries <= 100_000:
        assert max(load.turns / bounds.turns, load.queries / bounds.queries) <= 1.2


@pytest.mark.parametrize(("low", "high"), [*product((700, 1_150), (1_050, 1_190))])
def test_a_load_that_swings_within_the_margin_changes_nothing(low: int, high: int) -> None:
    advice = None
    seen = set()
    for load in (low, high) * 5:
        advice = advise(MINIMAL, Load(load, 0), advice)
        seen.add(advice)
    assert seen == {MINIMAL}


def pod(days: int, turns: int, queries: int = 0) -> PodHealth:
    figures = {"week_days": days, "week_turns": turns, "week_queries": queries}
    return PodHealth("retrieval", is_ready=True, figures=figures)


def test_the_week_is_told_as_a_month_by_the_pod_that_knows_most() -> None:
    assert read_rates([pod(6, 600), pod(7, 700, 14), PodHealth("redis", is_ready=True)]) == Rates(7, Load(3_000, 60))
    assert read_rates([pod(0, 0)]) == Rates(0, Load(0, 0))
    assert read_rates([]) is None


@pytest.mark.parametrize(
    ("rates", "spec", "holds", "reason", "words"),
    [
        (None, {}, None, "LoadUnknown", "3 whole days"),
        (Rates(2, Load(10**6, 0)), {}, None, "LoadUnknown", "3 whole days"),
        (Rates(3, Load(5_000, 0)), {}, True, "LoadFits", "up to 10,000 turns and 1,000 queries"),
        (Rates(3, Load(50_000, 0)), {}, False, "TierTooSmall", "take GPUAccelerated, which needs storage.s3"),
        (Rates(7, Load(50_000, 0)), {"storage": S3}, False, "TierTooSmall", "; take GPUAccelerated"),
        (Rates(7, Load(50, 0)), {}, False, "TierTooLarge", "Minimal would do"),
        (Rates(7, Load(10**7, 0)), {"tier": "Hybrid"}, True, "LoadFits", "any load"),
    ],
)
def test_the_condition_tells_what_to_take(
    rates: Rates | None, spec: dict[str, Any], holds: bool | None, reason: str, words: str
) -> None:
    fit = judge_fit(make_store(**spec), rates, {})
    assert fit.verdict[:2] == (holds, reason)
    assert words in fit.verdict[2]
    assert (fit.tier is None) == (holds is None)


def test_the_status_changes_by_a_tenth_and_keeps_what_it_had_between_two_pods() -> None:
    store = make_store()

    def told(rates: Rates | None, previous: dict[str, Any]) -> dict[str, Any]:
        return load_status(rates, judge_fit(store, rates, previous), previous)

    first = told(Rates(3, Load(5_000, 100)), {})
    assert first["load"] == {"days": 3, "turnsPerMonth": 5_000, "queriesPerMonth": 100}
    assert first["recommendation"]["tier"] == "CostEffective"
    assert told(Rates(7, Load(5_400, 105)), first) == first
    assert told(None, first) == first
    assert told(Rates(7, Load(5_600, 105)), first)["load"]["turnsPerMonth"] == 5_600
    assert told(None, {}) == {}

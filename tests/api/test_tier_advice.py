"""The verdict of one who does not know what was advised before never contradicts the one who does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_api.memorystore import TierName
from simplemem_api.tier_advice import judge, judge_alone
from simplemem_api.tiers import Load
from tests.support.stores import make_store

STORES = {tier: make_store(tier=tier, storage={"s3": {"bucket": "memories"}}) for tier in TierName}
LOADS = st.builds(Load, st.integers(0, 3_000_000), st.integers(0, 300_000))
NEAR = st.builds(
    Load, st.sampled_from([700, 801, 1_000, 1_001, 1_199, 1_201, 8_500, 11_000, 110_000, 900_000]), st.just(0)
)


@given(st.sampled_from(TierName), st.integers(0, 7), LOADS | NEAR, st.sampled_from([None, *TierName]))
def test_what_is_said_alone_holds_whatever_was_advised_before(
    tier: TierName, days: int, load: Load, before: str | None
) -> None:
    alone = judge_alone(STORES[tier], days, load)
    assert alone.fits is None or alone == judge(STORES[tier], days, load, before)


@pytest.mark.parametrize(
    ("tier", "turns", "fits"),
    [
        (TierName.MINIMAL, 1_000, True),
        (TierName.MINIMAL, 1_001, None),
        (TierName.MINIMAL, 1_200, None),
        (TierName.MINIMAL, 1_201, False),
        (TierName.COST_EFFECTIVE, 800, False),
        (TierName.COST_EFFECTIVE, 801, None),
        (TierName.COST_EFFECTIVE, 1_000, None),
        (TierName.COST_EFFECTIVE, 1_001, True),
        (TierName.HYBRID, 9_000_000, True),
    ],
)
def test_only_between_a_bound_and_its_margin_the_verdict_is_left_open(
    tier: TierName, turns: int, fits: bool | None
) -> None:
    advice = judge_alone(STORES[tier], 3, Load(turns, 0))
    assert advice.fits is fits
    assert (advice.tier is None) == (fits is None)

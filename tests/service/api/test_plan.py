"""What a status says of cost and use."""

from __future__ import annotations

import httpx
import pytest

from simplemem_service.api.plan import cost_of, use_of
from simplemem_service.usage import Use, Week
from tests.service.api.conftest import Login
from tests.support.stores import make_store


def test_the_status_tells_the_cost_that_the_tier_table_says(client: httpx.Client) -> None:
    cost = client.get("/v1/status").json()["cost"]
    assert cost["monthly_usd"] == 32.84
    assert round(sum(item["monthly_usd"] for item in cost["items"]), 2) == 32.84


def test_each_part_of_the_cost_says_how_it_comes_about() -> None:
    cost = cost_of(make_store(tier="CostEffective"))
    assert cost.monthly_usd == 66.41
    assert all(item.basis for item in cost.items)


def test_use_is_told_as_a_month_beside_what_the_tier_is_for() -> None:
    use = use_of(make_store(tier="Minimal"), Week(3, Use(turns=300, queries=30)))
    assert (use.days, use.turns_per_month, use.queries_per_month) == (3, 3_000, 300)
    assert use.tier_turns is not None
    assert use.tier_queries is not None


def test_use_is_unknown_before_the_first_whole_day() -> None:
    use = use_of(make_store(tier="Minimal"), Week())
    assert (use.days, use.turns_per_month, use.queries_per_month) == (0, None, None)


def test_a_tier_for_any_load_has_no_bound() -> None:
    use = use_of(make_store(tier="Hybrid"), Week(1, Use(1, 1)))
    assert (use.tier_turns, use.tier_queries) == (None, None)


@pytest.mark.parametrize(
    ("days", "turns", "fits", "tier", "words"),
    [
        (2, 10_000, None, None, "judged once 3 whole days have been counted"),
        (3, 120, None, None, "Minimal or CostEffective will do"),
        (3, 130, False, "CostEffective", "the load is beyond what Minimal is for"),
        (3, 100, True, "Minimal", "the load is within what Minimal is for"),
    ],
)
def test_whether_the_tier_fits_is_told_by_the_rule_of_the_operator(
    days: int, turns: int, fits: bool | None, tier: str | None, words: str
) -> None:
    use = use_of(make_store(tier="Minimal"), Week(days, Use(turns=turns)))
    assert (use.fits, use.recommended_tier) == (fits, tier)
    assert words in use.advice


def test_whether_the_tier_fits_is_judged_from_what_the_operator_is_told() -> None:
    assert use_of(make_store(tier="Minimal"), Week(6, Use(turns=244))).fits is None, "told as 240: at the margin"
    assert use_of(make_store(tier="Minimal"), Week(6, Use(turns=246))).fits is False, "told as 250"


def test_a_bound_token_learns_neither_cost_nor_use(login: Login) -> None:
    own, whole = login("alice").get("/v1/status").json(), login("root").get("/v1/status").json()
    assert (own["cost"], own["use"]) == (None, None)
    assert whole["cost"] is not None
    assert whole["use"] is not None

"""Fusion of signals: values by hand and what holds for all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.pipeline.fusion import best_first, min_max, weighted_shares


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([2, 4, 3], [0, 1, 0.5]), ([5, 5], [0, 0]), ([], []), ([-1, 0, 1, 3], [0, 0.25, 0.5, 1])],
)
def test_min_max_stretches_to_the_unit_interval(scores: list[float], expected: list[float]) -> None:
    assert min_max(np.array(scores, dtype=np.float64)).tolist() == pytest.approx(expected)


def test_shares_are_weighted_and_signals_without_a_weight_count_nothing() -> None:
    signals = {"a": np.array([0.0, 1.0, 2.0]), "b": np.array([1.0, 0.0, 0.0]), "c": np.array([9.0, 0.0, 0.0])}
    shares = weighted_shares(signals, {"a": 1.0, "b": -0.2})
    assert shares["a"].tolist() == [0, 0.5, 1]
    assert shares["b"].tolist() == [-0.2, 0, 0]
    assert shares["c"].tolist() == [0, 0, 0]


def test_the_best_come_first_and_equals_in_their_order() -> None:
    assert best_first(np.array([1.0, 3.0, 3.0, 2.0]), 3) == [1, 2, 3]
    assert best_first(np.array([1.0]), 0) == []


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=30),
    st.floats(0, 2),
    st.floats(-2, 2),
)
def test_a_fused_score_lies_within_the_weights_and_never_falls_with_a_better_signal(
    rows: list[tuple[float, float]], weight: float, other: float
) -> None:
    signals = {name: np.array([row[column] for row in rows]) for column, name in enumerate("ab")}
    shares = weighted_shares(signals, {"a": weight, "b": other})
    total = shares["a"] + shares["b"]
    assert min(other, 0) - 1e-9 <= float(total.min()) <= float(total.max()) <= weight + max(other, 0) + 1e-9
    for better, one in enumerate(rows):
        for worse, two in enumerate(rows):
            if one[1] == two[1] and one[0] >= two[0]:
                assert total[better] >= total[worse] - 1e-9


@given(st.lists(st.floats(-1e6, 1e6), max_size=30), st.integers(0, 40))
def test_the_best_are_the_highest_each_once(scores: list[float], limit: int) -> None:
    places = best_first(np.array(scores, dtype=np.float64), limit)
    assert [scores[place] for place in places] == sorted(scores, reverse=True)[:limit]
    assert len(set(places)) == min(limit, len(scores))


@given(st.lists(st.floats(-1e6, 1e6), max_size=30), st.floats(0.1, 10), st.floats(-100, 100))
def test_min_max_is_bounded_and_blind_to_scale_and_shift(scores: list[float], scale: float, shift: float) -> None:
    raw = np.array(scores, dtype=np.float64)
    stretched = min_max(raw)
    assert all(0 <= score <= 1 for score in stretched)
    assert all(stretched[i] <= stretched[j] for i in range(len(raw)) for j in range(len(raw)) if raw[i] <= raw[j])
    if len(raw) and np.ptp(raw) > 1:
        assert min_max(raw * scale + shift) == pytest.approx(stretched, abs=1e-6)

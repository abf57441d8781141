"""Density of a window: values by hand and what holds for all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.models.entry import Vector
from simplemem_service.pipeline.density import density, mean_direction

EAST = np.array([1, 0], dtype=np.float32)
NORTH = np.array([0, 1], dtype=np.float32)
NORTH_EAST = np.array([0.6, 0.8], dtype=np.float32)


@pytest.mark.parametrize(
    ("entities", "known", "turns", "window", "history", "share", "expected"),
    [
        ({"Rome", "Ada"}, set(), 4, EAST, None, 0.5, 0.5 * 2 / 4 + 0.5 * 1),
        ({"Rome", "Ada"}, {"Ada"}, 4, EAST, NORTH, 0.5, 0.5 * 1 / 4 + 0.5 * 1),
        ({"Rome"}, {"Rome"}, 1, EAST, EAST, 0.5, 0.0),
        (set(), set(), 3, EAST, -EAST, 0.5, 1.0),
        ({"Rome"}, set(), 2, EAST, NORTH_EAST, 0.25, 0.25 * 0.5 + 0.75 * 0.4),
        ({"a", "b", "c"}, set(), 1, EAST, EAST, 1.0, 3.0),
    ],
)
def test_density_is_that_of_the_formula(
    entities: set[str],
    known: set[str],
    turns: int,
    window: Vector,
    history: Vector | None,
    share: float,
    expected: float,
) -> None:
    found = density(entities, known, turns, window=window, history=history, novelty_share=share)
    assert found.score == pytest.approx(expected, abs=1e-6)
    assert found.score == pytest.approx(share * found.novelty + (1 - share) * found.divergence)


@given(
    entities=st.sets(st.text(max_size=3), max_size=6),
    known=st.sets(st.text(max_size=3), max_size=6),
    turns=st.integers(1, 40),
    angle=st.floats(0, 6.3),
    share=st.floats(0, 1),
)
def test_density_stays_in_its_bounds_and_falls_with_what_is_known(
    entities: set[str], known: set[str], turns: int, angle: float, share: float
) -> None:
    history = np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)
    found = density(entities, known, turns, window=EAST, history=history, novelty_share=share)
    without = density(entities, set(), turns, window=EAST, history=history, novelty_share=share)
    assert 0 <= found.score <= share * len(entities) / turns + 2 * (1 - share) + 1e-6
    assert found.score <= without.score


@given(
    st.sets(st.text(max_size=3), max_size=6), st.integers(1, 40), st.floats(0, 3.1), st.floats(0, 3.1), st.floats(0, 1)
)
def test_density_is_its_terms_and_grows_with_the_distance_from_the_history(
    entities: set[str], turns: int, near: float, far: float, share: float
) -> None:
    near, far = sorted((near, far))
    vectors = [np.array([np.cos(angle), np.sin(angle)], dtype=np.float32) for angle in (near, far)]
    first, second = (density(entities, (), turns, window=EAST, history=one, novelty_share=share) for one in vectors)
    assert first.score <= second.score + 1e-6
    assert first.cosine is not None
    assert first.score == pytest.approx(share * len(entities) / turns + (1 - share) * (1 - first.cosine), abs=1e-6)
    assert (first.new_entities, first.turns) == (len(entities), turns)


def test_mean_direction_has_unit_length_and_weighs() -> None:
    assert mean_direction([EAST, NORTH]) == pytest.approx([0.5**0.5, 0.5**0.5])
    assert mean_direction([EAST, NORTH], [3, 4]) == pytest.approx([0.6, 0.8])


def test_mean_direction_of_opposites_is_the_first() -> None:
    assert mean_direction([EAST, -EAST]) == pytest.approx([1, 0])

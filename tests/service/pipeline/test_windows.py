"""Sliding windows: values by hand, and that every turn is new exactly once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.models.entry import Turn
from simplemem_service.pipeline.windows import LONG_PAUSE, slide
from tests.support.entries import NOON, make_turn


def make_turns(*minutes: float) -> list[Turn]:
    return [make_turn(number, timestamp=NOON + timedelta(minutes=at)) for number, at in enumerate(minutes)]


def numbers(turns: tuple[Turn, ...]) -> list[int]:
    return [int(turn.id.removeprefix("turn-")) for turn in turns]


def test_windows_share_their_overlap() -> None:
    windows = slide(make_turns(*range(7)), size=4, overlap=1)
    assert [numbers(window.turns) for window in windows] == [[0, 1, 2, 3], [4, 5, 6]]
    assert [numbers(window.overlap) for window in windows] == [[], [3]]


def test_a_window_never_exceeds_its_size_with_the_overlap() -> None:
    windows = slide(make_turns(*range(9)), size=4, overlap=2)
    assert [numbers(window.overlap + window.turns) for window in windows] == [
        [0, 1, 2, 3],
        [2, 3, 4, 5],
        [4, 5, 6, 7],
        [6, 7, 8],
    ]


def test_a_long_pause_cuts_and_shows_nothing_again() -> None:
    pause = LONG_PAUSE / timedelta(minutes=1)
    windows = slide(make_turns(0, 1, 1 + pause, 2 + pause), size=40, overlap=2)
    assert [numbers(window.turns) for window in windows] == [[0, 1], [2, 3]]
    assert [window.overlap for window in windows] == [(), ()]


def test_turns_without_a_time_pause_nothing() -> None:
    turns = [make_turn(0), make_turn(1, timestamp=None), make_turn(2, timestamp=NOON + timedelta(days=9))]
    assert len(slide(turns, size=40, overlap=2)) == 1


def test_no_turns_make_no_windows() -> None:
    assert slide([], size=4, overlap=1) == []


@pytest.mark.parametrize(("size", "overlap"), [(2, 2), (1, 1), (3, -1), (0, 0)])
def test_an_overlap_as_long_as_the_window_is_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        slide([], size=size, overlap=overlap)


@given(
    gaps=st.lists(st.floats(0, 600), max_size=60),
    size=st.integers(1, 12),
    overlap=st.integers(0, 11),
)
def test_every_turn_is_new_in_exactly_one_window(gaps: list[float], size: int, overlap: int) -> None:
    overlap = min(overlap, size - 1)
    minutes = [sum(gaps[:place]) for place in range(len(gaps))]
    turns = make_turns(*minutes)
    windows = slide(turns, size=size, overlap=overlap)
    assert [turn for window in windows for turn in window.turns] == turns
    assert all(0 < len(window.turns) + len(window.overlap) <= size for window in windows)

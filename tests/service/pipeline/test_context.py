"""The context text and its budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.models.entry import Entry
from simplemem_service.pipeline.context import build_context, format_entry
from tests.support.entries import make_entry


def entry(text: str) -> Entry:
    return make_entry(1, lossless_restatement=text, timestamp=None).entry


def count_words(text: str) -> int:
    return len(text.split())


def test_a_line_carries_the_day_it_was_told() -> None:
    assert format_entry(make_entry(1, lossless_restatement="Ada: two\nlines").entry) == "[1 March 2026] Ada: two lines"


@pytest.mark.parametrize(
    ("budget", "expected"),
    [(9, "a b c\nd e f g\nh i"), (8, "a b c\nd e f g"), (5, "a b c\nh i"), (2, "h i"), (1, "a"), (0, "")],
)
def test_entries_that_fit_are_taken_best_first(budget: int, expected: str) -> None:
    entries = [entry("a b c"), entry("d e f g"), entry("h i")]
    assert build_context(entries, budget, count_words) == (expected, count_words(expected))


def test_no_entries_make_no_text() -> None:
    assert build_context([], 100, count_words) == ("", 0)


def test_a_counter_that_joins_lines_at_a_price_is_honoured() -> None:
    def count(text: str) -> int:
        return len(text.split()) + 2 * text.count("\n")

    text, tokens = build_context([entry("a b"), entry("c d")], 5, count)
    assert (text, tokens) == ("a b", 2)


@given(st.lists(st.text(max_size=40), max_size=8), st.integers(0, 60))
def test_the_budget_is_never_exceeded(texts: list[str], budget: int) -> None:
    text, tokens = build_context([entry(text) for text in texts], budget, len)
    assert tokens == len(text) <= budget

"""Dates that only the time of telling makes clear; told on Monday, 8 May 2023."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.pipeline.dates import format_days
from simplemem_service.pipeline.relative_dates import find_relative, find_unclear

TOLD = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I went yesterday.", "7 May 2023"),
        ("We talked last night.", "7 May 2023"),
        ("See you tomorrow", "9 May 2023"),
        ("the day before yesterday", "6 May 2023"),
        ("last Friday", "5 May 2023"),
        ("last Monday", "1 May 2023"),
        ("next Friday", "12 May 2023"),
        ("this past Sunday", "7 May 2023"),
        ("last week", "1-7 May 2023"),
        ("next week", "15-21 May 2023"),
        ("last weekend", "6-7 May 2023"),
        ("last month", "April 2023"),
        ("next month", "June 2023"),
        ("last year", "2022"),
        ("two weeks ago", "24-30 April 2023"),
        ("a couple of days ago", "6 May 2023"),
        ("5 years ago", "2018"),
        ("in 3 days", "11 May 2023"),
        ("in two months", "July 2023"),
        ("gestern", "7 May 2023"),
        ("ayer", "7 May 2023"),
        ("我昨天去了", "7 May 2023"),
        ("the week before 9 June 2023", "2-8 June 2023"),
        ("on May 25th", "25 May 2023"),
        ("29 Dec", "29 December 2022"),
        ("in June", "June 2023"),
    ],
)
def test_the_days_meant_are_found(text: str, expected: str) -> None:
    (span,) = find_unclear(text, TOLD)
    assert format_days(span.first, span.last) == expected


@pytest.mark.parametrize("text", ["", "on 8 May 2023", "at last", "the last straw", "I may go", "999 years hence"])
def test_what_is_clear_or_no_date_is_left_alone(text: str) -> None:
    assert find_unclear(text, TOLD) == []


def test_each_expression_is_found_once() -> None:
    spans = find_relative("Yesterday, and the day before yesterday, and last Friday", TOLD)
    assert [format_days(span.first, span.last) for span in spans] == ["7 May 2023", "6 May 2023", "5 May 2023"]


def test_days_beyond_the_calendar_are_left_out() -> None:
    assert find_relative("999 years ago", datetime(500, 1, 1, tzinfo=UTC)) == []


@given(
    st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["last", "next"]),
    st.sampled_from(["Monday", "Wednesday", "Sunday"]),
)
def test_a_weekday_lies_within_a_week_of_the_telling(told: datetime, which: str, weekday: str) -> None:
    (span,) = find_relative(f"{which} {weekday}", told)
    distance = (span.first - told.date()).days
    assert span.first.strftime("%A") == weekday
    assert 1 <= (distance if which == "next" else -distance) <= 7

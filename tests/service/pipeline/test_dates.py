"""Dates named outright."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.pipeline.dates import find_absolute, format_days


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("on 8 May, 2023?", (2023, 5, 8), (2023, 5, 8)),
        ("on 8th of May 2023", (2023, 5, 8), (2023, 5, 8)),
        ("May 8th, 2023", (2023, 5, 8), (2023, 5, 8)),
        ("Sept. 3 2022", (2022, 9, 3), (2022, 9, 3)),
        ("2023-05-08T10:00", (2023, 5, 8), (2023, 5, 8)),
        ("am 10.01.2024", (2024, 1, 10), (2024, 1, 10)),
        ("3/14/2023", (2023, 3, 14), (2023, 3, 14)),
        ("14/3/2023", (2023, 3, 14), (2023, 3, 14)),
        ("in June 2023", (2023, 6, 1), (2023, 6, 30)),
        ("am 9. Juni 2023", (2023, 6, 9), (2023, 6, 9)),
        ("el 9 de junio de 2023", (2023, 6, 9), (2023, 6, 9)),
        ("2023年6月9日", (2023, 6, 9), (2023, 6, 9)),
        ("2024年2月", (2024, 2, 1), (2024, 2, 29)),
        ("the week before 9 June 2023", (2023, 6, 2), (2023, 6, 8)),
        ("the week after June 9, 2023", (2023, 6, 10), (2023, 6, 16)),
        ("the Friday before 9 June 2023", (2023, 6, 2), (2023, 6, 2)),
        ("the weekend after 9 June 2023", (2023, 6, 10), (2023, 6, 11)),
        ("the day after 28 February 2023", (2023, 3, 1), (2023, 3, 1)),
        ("the month before 9 January 2023", (2022, 12, 1), (2022, 12, 31)),
    ],
)
def test_a_date_is_read(text: str, first: tuple[int, int, int], last: tuple[int, int, int]) -> None:
    (span,) = find_absolute(text)
    assert (span.first, span.last) == (date(*first), date(*last))
    assert span.has_year


@pytest.mark.parametrize(
    ("text", "covered", "not_covered"),
    [
        ("29 Dec", date(2019, 12, 29), date(2019, 12, 28)),
        ("December 29", date(2023, 12, 29), date(2023, 11, 29)),
        ("in May", date(2021, 5, 31), date(2021, 6, 1)),
        ("6月3日", date(2024, 6, 3), date(2024, 6, 4)),
    ],
)
def test_a_date_without_a_year_is_that_day_of_any(text: str, covered: date, not_covered: date) -> None:
    (span,) = find_absolute(text)
    assert span.covers(covered)
    assert not span.covers(not_covered)


@pytest.mark.parametrize(
    "text", ["", "May I ask?", "They march on.", "12 monkeys", "at 5:30", "version 1.2.3", "99.99.2024"]
)
def test_what_is_no_date_is_left_alone(text: str) -> None:
    assert find_absolute(text) == []


def test_several_dates_come_in_the_order_of_the_text() -> None:
    spans = find_absolute("Between 2023-01-02 and 5 March 2023, or May 2024")
    assert [span.first for span in spans] == [date(2023, 1, 2), date(2023, 3, 5), date(2024, 5, 1)]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (date(2023, 5, 7), date(2023, 5, 7), "7 May 2023"),
        (date(2023, 5, 1), date(2023, 5, 7), "1-7 May 2023"),
        (date(2023, 5, 29), date(2023, 6, 4), "29 May 2023 - 4 June 2023"),
        (date(2023, 5, 1), date(2023, 5, 31), "May 2023"),
        (date(2023, 1, 1), date(2023, 12, 31), "2023"),
    ],
)
def test_days_are_written_in_words(first: date, last: date, expected: str) -> None:
    assert format_days(first, last) == expected


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)))
def test_a_day_written_in_words_is_read_back(day: date) -> None:
    (span,) = find_absolute(format_days(day, day))
    assert (span.first, span.last) == (day, day)


@given(st.text(alphabet="0123456789./- mayJunedth年月日", max_size=60))
def test_any_text_gives_ordered_days(text: str) -> None:
    assert all(span.first <= span.last and 0 <= span.start < span.end <= len(text) for span in find_absolute(text))

"""Days meant by "yesterday", "last Friday" or "9 June", resolved against the time of telling (pure).

English is read by the rules here, German and Spanish by those of `european_dates`, and Chinese by those of
`chinese_dates`: "last week" is seven days and "last Friday" one, and libraries that read dates do not tell which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta

from simplemem_service.pipeline.chinese_dates import find_chinese
from simplemem_service.pipeline.dates import (
    WEEKDAYS,
    DateSpan,
    Days,
    find_absolute,
    month_of,
    nearest_weekday,
    unit_range,
)
from simplemem_service.pipeline.european_dates import find_european

Resolver = Callable[[re.Match[str], date], Days]
"""Turns an expression and the day of telling into the days meant."""

_NUMBERS = {
    **{
        word: number
        for number, word in enumerate(
            ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], start=1
        )
    },
    "a": 1,
    "an": 1,
    "a couple of": 2,
    "couple of": 2,
}
_UNIT = r"(?P<unit>day|week|month|year)"
_COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_WEEKDAY = rf"(?P<weekday>{'|'.join(WEEKDAYS)})"
_ENGLISH_HINT = r"yesterday|tomorrow|\bago\b|\b(?:last|past|next|this|in|week|weekend|day|before|after)\b"
_CHINESE_HINT = r"[天日周月年晚早]|星期|礼拜"
_RELATIVE_HINT = re.compile(rf"{_ENGLISH_HINT}|{_CHINESE_HINT}", re.IGNORECASE)


def find_unclear(text: str, told: datetime) -> list[DateSpan]:
    """Days meant by every expression that only the time of telling, or a calculation, makes clear; in the text's order.

    Relative expressions, dates without a year (the nearest such day to the telling), and "the week before 9 June 2023".
    """
    relative = find_relative(text, told)
    # "去年3月5日" holds a date that looks as if it had no year.
    absolute = [span for span in find_absolute(text) if not any(_holds(other, span) for other in relative)]
    outright = [_dated(span, told.date()) for span in absolute if span.is_shifted or not span.has_year]
    relative = [span for span in relative if not any(span.overlaps(other) for other in outright)]
    return sorted((*outright, *relative), key=lambda span: span.start)


def find_relative(text: str, told: datetime) -> list[DateSpan]:
    """Days meant by expressions relative to the time of telling, in the order of the text.

    Weeks run from Monday to Sunday; "last Friday" is the latest one before the day of telling; "two months ago" means
    that whole month.
    """
    found: list[DateSpan] = []
    today = told.date()
    here = (*_english_spans(text, today), *find_chinese(text, today)) if _RELATIVE_HINT.search(text) else ()
    for span in (*here, *find_european(text, today)):
        if not any(span.overlaps(other) for other in found):
            found.append(span)
    return sorted(found, key=lambda span: span.start)


def _holds(outer: DateSpan, inner: DateSpan) -> bool:
    """Whether an expression is a part of a longer one."""
    return outer.start <= inner.start and inner.end <= outer.end and outer.end - outer.start > inner.end - inner.start


def _english_spans(text: str, today: date) -> Iterator[DateSpan]:
    for pattern, resolve in _RELATIVE:
        for match in pattern.finditer(text):
            days = _safely(resolve, match, today)
            if days is not None:
                yield DateSpan(*days, match.start(), match.end())


def _dated(span: DateSpan, told: date) -> DateSpan:
    """The days in the year that brings them nearest to the telling, where the text names none."""
    if span.has_year:
        return span
    years = [year for year in (told.year, told.year - 1, told.year + 1) if date.min.year <= year <= date.max.year]
    candidates = [days for year in years if (days := _in_year(span, year)) is not None]
    if not candidates:
        return span
    first, last = min(candidates, key=lambda days: abs(days[0] - told))
    return DateSpan(first, last, span.start, span.end)


def _in_year(span: DateSpan, year: int) -> Days | None:
    """The days of a span without a year in a given one; None for 29 February in most years."""
    if span.first.day == 1 and span.last == month_of(span.first)[1]:
        return month_of(date(year, span.first.month, 1))
    try:
        return span.first.replace(year=year), span.last.replace(year=year)
    except ValueError:
        return None


def _safely(resolve: Resolver, match: re.Match[str], today: date) -> Days | None:
    """What a resolver gives; None beyond the calendar's ends."""
    try:
        return resolve(match, today)
    except (ValueError, OverflowError):
        return None


def _days_off(days: int) -> Resolver:
    return lambda _match, today: (today + timedelta(days), today + timedelta(days))


def _steps(word: str) -> int:
    return {"last": -1, "past": -1, "previous": -1, "next": 1, "coming": 1}.get(word.lower().split()[-1], 0)


def _count(match: re.Match[str]) -> int:
    text = " ".join(match["count"].lower().split())
    return int(text) if text.isdigit() else _NUMBERS[text]


def _adjacent_unit(match: re.Match[str], today: date) -> Days:
    return unit_range(match["unit"].lower(), today, _steps(match["which"]))


def _adjacent_weekday(match: re.Match[str], today: date) -> Days:
    sign = _steps(match["which"]) or 1
    day = nearest_weekday(today + timedelta(sign), WEEKDAYS[match["weekday"].lower()], sign)
    return day, day


def _adjacent_weekend(match: re.Match[str], today: date) -> Days:
    steps = _steps(match["which"])
    monday = today - timedelta(today.weekday()) + timedelta(7 * steps)
    return monday + timedelta(5), monday + timedelta(6)


def _some_ago(match: re.Match[str], today: date) -> Days:
    return unit_range(match["unit"].lower(), today, -_count(match))


def _some_ahead(match: re.Match[str], today: date) -> Days:
    return unit_range(match["unit"].lower(), today, _count(match))


_RELATIVE: tuple[tuple[re.Pattern[str], Resolver], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), resolve)
    for pattern, resolve in (
        (r"\b(?:the )?day before yesterday\b", _days_off(-2)),
        (r"\b(?:the )?day after tomorrow\b", _days_off(2)),
        (r"\byesterday\b|\blast night\b", _days_off(-1)),
        (r"\btomorrow\b", _days_off(1)),
        (rf"\b(?P<which>last|past|this past|next|coming)\s+{_WEEKDAY}\b", _adjacent_weekday),
        (r"\b(?P<which>last|past|this past|next|coming|this)\s+weekend\b", _adjacent_weekend),
        (r"\b(?P<which>last|past|previous|next|this)\s+(?P<unit>week|month|year)\b", _adjacent_unit),
        (rf"\b{_COUNT}\s+{_UNIT}s?\s+ago\b", _some_ago),
        (rf"\bin\s+{_COUNT}\s+{_UNIT}s?['\u2019]?(?:\s+time)?\b", _some_ahead),
    )
)

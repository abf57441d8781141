"""Dates named outright in a text, and days in words (pure)."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar jänner enero",
            "february feb februar febrero",
            "march mar märz marzo",
            "april apr abril",
            "may mai mayo",
            "june jun juni junio",
            "july jul juli julio",
            "august aug agosto",
            "september sept sep septiembre",
            "october oct oktober octubre okt",
            "november nov noviembre",
            "december dec dezember diciembre dez",
        ),
        start=1,
    )
    for name in names.split()
}
"""Number of a month by its name or short form in English, German and Spanish."""
WEEKDAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}
"""Number of a weekday by its English name, Monday being 0."""

_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th|\.)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_BARE_MONTH = rf"\b(?:in|during|im|en|of)\s+(?:early\s+|late\s+|mid-?)?(?P<month>{_MONTH})\b"
_ABSOLUTE_HINT = re.compile(rf"\d|{_BARE_MONTH}", re.IGNORECASE)
_ABSOLUTE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_YEAR}-(?P<month>\d\d)-(?P<day>\d\d)(?!\d)",
        rf"{_YEAR}\s*年\s*(?P<month>1?\d)\s*月(?:\s*(?P<day>[0-3]?\d)\s*[日号])?",
        rf"\b(?P<day>[0-3]?\d)\.(?P<month>[01]?\d)\.{_YEAR}\b",
        rf"\b(?P<month>[01]?\d)/(?P<day>[0-3]?\d)/{_YEAR}\b",
        rf"\b{_DAY}\s+(?:of\s+|de\s+)?(?P<month>{_MONTH})\b\.?(?:,?\s+(?:de[l]?\s+)?{_YEAR}\b)?",
        rf"\b(?P<month>{_MONTH})\b\.?\s+{_DAY}(?![\d:])\b(?:,?\s+{_YEAR}\b)?",
        rf"\b(?P<month>{_MONTH})\b\.?,?\s+(?:of\s+|de[l]?\s+)?{_YEAR}\b",
        r"(?<!\d)(?P<month>1?\d)\s*月\s*(?P<day>[0-3]?\d)\s*[日号]",
        _BARE_MONTH,
    )
)


Days = tuple[date, date]
"""First and last day of a stretch of days."""


@dataclass(frozen=True, slots=True)
class DateSpan:
    """Days meant by a stretch of text."""

    first: date
    """First day meant."""
    last: date
    """Last day meant; the first one again for a single day."""
    start: int
    """Where the expression begins in the text."""
    end: int
    """Where it ends, exclusive."""
    has_year: bool = True
    """False where the text names no year; the span then stands for those days of any year."""
    is_shifted: bool = False
    """True where the text names other days, as "the week before 9 June" does."""

    def overlaps(self, other: DateSpan) -> bool:
        """Whether two expressions share a part of the text."""
        return self.start < other.end and other.start < self.end

    def covers(self, day: date) -> bool:
        """Whether a day is among those meant."""
        if self.has_year:
            return self.first <= day <= self.last
        return (self.first.month, self.first.day) <= (day.month, day.day) <= (self.last.month, self.last.day)


def find_absolute(text: str) -> list[DateSpan]:
    """Days and months named outright, in the order of the text.

    Understood are "29 Dec", "June 9, 2023", "10.01.2024", "6/9/2023", ISO dates and 2023年6月9日.

    A month alone counts with a year or after "in" ("in May"), since "may" and "march" are words as well. A date that
    does not exist is left out. Numbers with slashes are month/day/year unless the first exceeds 12. "The week before
    9 June 2023" means the seven days before it.
    """
    if not _ABSOLUTE_HINT.search(text):
        return []
    found: list[DateSpan] = []
    for pattern in _ABSOLUTE:
        for match in pattern.finditer(text):
            span = _absolute_span(match)
            if span and not any(span.overlaps(other) for other in found):
                found.append(span)
    return sorted((_shifted(span, text) for span in found), key=lambda span: span.start)


def format_days(first: date, last: date) -> str:
    """Days in words: "7 May 2023", "1-7 May 2023", "29 May - 4 June 2023", "May 2023", "2023"."""
    if first == last:
        return _format_day(first)
    if (first.month, first.day, last.month, last.day) == (1, 1, 12, 31) and first.year == last.year:
        return str(first.year)
    if first.year == last.year and first.month == last.month:
        month = f"{calendar.month_name[first.month]} {first.year}"
        return month if (first, last) == month_of(first) else f"{first.day}-{last.day} {month}"
    return f"{_format_day(first)} - {_format_day(last)}"


def _format_day(day: date) -> str:
    return f"{day.day} {calendar.month_name[day.month]} {day.year}"


def _absolute_span(match: re.Match[str]) -> DateSpan | None:
    parts = match.groupdict()
    name = parts["month"].lower()
    month = MONTHS.get(name) or int(name)
    day = int(parts["day"]) if parts.get("day") else None
    if "/" in match[0] and day is not None and month > 12:
        month, day = day, month
    # A leap year, so that 29 February exists in a date without a year.
    year = int(parts["year"]) if parts.get("year") else 2000
    try:
        first = date(year, month, day or 1)
    except ValueError:
        return None
    last = first if day else month_of(first)[1]
    return DateSpan(first, last, match.start(), match.end(), has_year=bool(parts.get("year")))


_BESIDE = rf"\b(?:the\s+)?(?P<unit>week|weekend|day|month|{'|'.join(WEEKDAYS)})\s+(?P<side>before|after)\s+"
_AROUND = re.compile(rf"{_BESIDE}$", re.IGNORECASE)
# Longer than "the wednesday before ", so that the search does not go through the whole text for every date.
_AROUND_LENGTH = 40


def _shifted(span: DateSpan, text: str) -> DateSpan:
    """The days before or after a date, where the text says so just in front of it."""
    match = _AROUND.search(text, max(0, span.start - _AROUND_LENGTH), span.start)
    if match is None or span.first != span.last:
        return span
    unit, sign = match["unit"].lower(), -1 if match["side"].lower() == "before" else 1
    near = span.first + timedelta(sign)
    if unit == "week":
        first, last = sorted((near, span.first + timedelta(7 * sign)))
    elif unit == "month":
        first, last = month_of(add_months(span.first, sign))
    elif unit == "day":
        first = last = near
    else:
        first = nearest_weekday(near, WEEKDAYS.get(unit, 5), sign)
        last = first + timedelta(1 if unit == "weekend" else 0)
    return DateSpan(first, last, match.start(), span.end, has_year=span.has_year, is_shifted=True)


def nearest_weekday(start: date, weekday: int, sign: int) -> date:
    """The first such weekday at or after (sign 1) or at or before (sign -1) a day."""
    return start + timedelta(sign * ((sign * (weekday - start.weekday())) % 7))


def month_of(day: date) -> tuple[date, date]:
    """First and last day of a day's month."""
    return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])


def add_months(day: date, months: int) -> date:
    """The first of the month that lies so many months later."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def unit_range(unit: str, today: date, steps: int) -> Days:
    """The "day", "week" (from Monday), "month" or "year" that lies so many units from a day's.

    Raises `ValueError` or `OverflowError` beyond the calendar's ends.
    """
    if unit == "day":
        return today + timedelta(steps), today + timedelta(steps)
    if unit == "week":
        monday = today - timedelta(today.weekday()) + timedelta(7 * steps)
        return monday, monday + timedelta(6)
    if unit == "month":
        return month_of(add_months(today, steps))
    return date(today.year + steps, 1, 1), date(today.year + steps, 12, 31)

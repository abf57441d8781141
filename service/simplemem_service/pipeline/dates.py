"""Dates in text: those named outright, and those meant by "yesterday" or "last Friday" (pure).

English is read by rules of our own, since they must tell "last week" (seven days) from "last Friday" (one), which
dateparser does not. Single expressions of other languages are found by a cheap pattern and left to dateparser, which
takes .3 ms for each.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

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
        rf"\b(?:in|during|im|en|of)\s+(?:early\s+|late\s+|mid-?)?(?P<month>{_MONTH})\b",
    )
)
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
_FOREIGN = {
    "de": (
        r"vorgestern|gestern|übermorgen|(?:letzte|nächste)[rn]? (?:woche|monat|jahr)"
        r"|vor \w+ (?:tag|woche|monat|jahr)e?n?"
    ),
    "es": (
        r"anteayer|ayer|pasado mañana|la semana pasada|el mes pasado|el año pasado"
        r"|hace \d+ (?:días?|semanas?|mes(?:es)?|años?)"
    ),
    "zh": r"前天|昨天|明天|后天|上个月|下个月|去年|明年",
}
_ENGLISH_HINT = r"yesterday|tomorrow|\bago\b|\b(?:last|past|next|this|in|week|weekend|day|before|after)\b"
_RELATIVE_HINT = re.compile("|".join((_ENGLISH_HINT, *_FOREIGN.values())), re.IGNORECASE)


Days = tuple[date, date]
"""First and last day of a stretch of days."""
Resolver = Callable[[re.Match[str], date], Days]
"""Turns an expression and the day of telling into the days meant."""


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
    found: list[DateSpan] = []
    for pattern in _ABSOLUTE:
        for match in pattern.finditer(text):
            span = _absolute_span(match)
            if span and not any(span.start < other.end and other.start < span.end for other in found):
                found.append(span)
    return sorted((_shifted(span, text) for span in found), key=lambda span: span.start)


def find_unclear(text: str, told: datetime) -> list[DateSpan]:
    """Days meant by every expression that only the time of telling, or a calculation, makes clear; in the text's order.

    Relative expressions, dates without a year (the nearest such day to the telling), and "the week before 9 June 2023".
    """
    outright = [_dated(span, told.date()) for span in find_absolute(text) if not _is_plain(span, text)]
    relative = [
        span
        for span in find_relative(text, told)
        if not any(span.start < other.end and other.start < span.end for other in outright)
    ]
    return sorted((*outright, *relative), key=lambda span: span.start)


def find_relative(text: str, told: datetime) -> list[DateSpan]:
    """Days meant by expressions relative to the time of telling, in the order of the text.

    Weeks run from Monday to Sunday; "last Friday" is the latest one before the day of telling; "two months ago" means
    that whole month.
    """
    if not _RELATIVE_HINT.search(text):
        return []
    today = told.date()
    found: list[DateSpan] = []
    for pattern, resolve in _RELATIVE:
        for match in pattern.finditer(text):
            if any(match.start() < other.end and other.start < match.end() for other in found):
                continue
            days = _safely(resolve, match, today)
            if days is not None:
                found.append(DateSpan(*days, match.start(), match.end()))
    found.extend(_foreign_spans(text, told))
    return sorted(found, key=lambda span: span.start)


def format_days(first: date, last: date) -> str:
    """Days in words: "7 May 2023", "1-7 May 2023", "29 May - 4 June 2023", "May 2023", "2023"."""
    if first == last:
        return _format_day(first)
    if (first.month, first.day, last.month, last.day) == (1, 1, 12, 31) and first.year == last.year:
        return str(first.year)
    if first.year == last.year and first.month == last.month:
        month = f"{calendar.month_name[first.month]} {first.year}"
        return month if (first, last) == _month_of(first) else f"{first.day}-{last.day} {month}"
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
    last = first if day else _month_of(first)[1]
    return DateSpan(first, last, match.start(), match.end(), has_year=bool(parts.get("year")))


_BESIDE = rf"\b(?:the\s+)?(?P<unit>week|weekend|day|month|{'|'.join(WEEKDAYS)})\s+(?P<side>before|after)\s+"
_AROUND = re.compile(rf"{_BESIDE}$", re.IGNORECASE)
_SHIFTED = re.compile(_BESIDE, re.IGNORECASE)


def _shifted(span: DateSpan, text: str) -> DateSpan:
    """The days before or after a date, where the text says so just in front of it."""
    match = _AROUND.search(text, 0, span.start)
    if match is None or span.first != span.last:
        return span
    unit, sign = match["unit"].lower(), -1 if match["side"].lower() == "before" else 1
    near = span.first + timedelta(sign)
    if unit == "week":
        first, last = sorted((near, span.first + timedelta(7 * sign)))
    elif unit == "month":
        first, last = _month_of(_add_months(span.first, sign))
    elif unit == "day":
        first = last = near
    else:
        first = _nearest_weekday(near, WEEKDAYS.get(unit, 5), sign)
        last = first + timedelta(1 if unit == "weekend" else 0)
    return DateSpan(first, last, match.start(), span.end, has_year=span.has_year)


def _is_plain(span: DateSpan, text: str) -> bool:
    """Whether the text names the very days and their year."""
    return span.has_year and not _SHIFTED.match(text, span.start)


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
    if span.first.day == 1 and span.last == _month_of(span.first)[1]:
        return _month_of(date(year, span.first.month, 1))
    try:
        return span.first.replace(year=year), span.last.replace(year=year)
    except ValueError:
        return None


def _nearest_weekday(start: date, weekday: int, sign: int) -> date:
    """The first such weekday at or after (sign 1) or at or before (sign -1) a day."""
    return start + timedelta(sign * ((sign * (weekday - start.weekday())) % 7))


def _month_of(day: date) -> tuple[date, date]:
    """First and last day of a day's month."""
    return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _add_months(day: date, months: int) -> date:
    """The first of the month that lies so many months later."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _safely(resolve: Resolver, match: re.Match[str], today: date) -> Days | None:
    """What a resolver gives; None beyond the calendar's ends."""
    try:
        return resolve(match, today)
    except (ValueError, OverflowError):
        return None


def _days_off(days: int) -> Resolver:
    return lambda _match, today: (today + timedelta(days), today + timedelta(days))


def _unit_range(unit: str, today: date, steps: int) -> Days:
    """The day, week, month or year that lies so many units from today's."""
    if unit == "day":
        return today + timedelta(steps), today + timedelta(steps)
    if unit == "week":
        monday = today - timedelta(today.weekday()) + timedelta(7 * steps)
        return monday, monday + timedelta(6)
    if unit == "month":
        return _month_of(_add_months(today, steps))
    return date(today.year + steps, 1, 1), date(today.year + steps, 12, 31)


def _steps(word: str) -> int:
    return {"last": -1, "past": -1, "previous": -1, "next": 1, "coming": 1}.get(word.lower().split()[-1], 0)


def _count(match: re.Match[str]) -> int:
    text = " ".join(match["count"].lower().split())
    return int(text) if text.isdigit() else _NUMBERS[text]


def _adjacent_unit(match: re.Match[str], today: date) -> Days:
    return _unit_range(match["unit"].lower(), today, _steps(match["which"]))


def _adjacent_weekday(match: re.Match[str], today: date) -> Days:
    sign = _steps(match["which"]) or 1
    day = _nearest_weekday(today + timedelta(sign), WEEKDAYS[match["weekday"].lower()], sign)
    return day, day


def _adjacent_weekend(match: re.Match[str], today: date) -> Days:
    steps = _steps(match["which"])
    monday = today - timedelta(today.weekday()) + timedelta(7 * steps)
    return monday + timedelta(5), monday + timedelta(6)


def _some_ago(match: re.Match[str], today: date) -> Days:
    return _unit_range(match["unit"].lower(), today, -_count(match))


def _some_ahead(match: re.Match[str], today: date) -> Days:
    return _unit_range(match["unit"].lower(), today, _count(match))


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
_FOREIGN_PATTERNS = {
    language: re.compile(rf"(?<!\w)(?:{words})", re.IGNORECASE) for language, words in _FOREIGN.items()
}
_FOREIGN_PATTERNS["zh"] = re.compile(_FOREIGN["zh"])


def _foreign_spans(text: str, told: datetime) -> list[DateSpan]:
    """Days meant by expressions of other languages, by dateparser."""
    found: list[DateSpan] = []
    for language, pattern in _FOREIGN_PATTERNS.items():
        for match in pattern.finditer(text):
            day = _parse(match[0], language, told.date())
            if day is not None and not any(match.start() < other.end for other in found):
                found.append(DateSpan(day, day, match.start(), match.end()))
    return found


def _parse(text: str, language: str, today: date) -> date | None:
    # Imported here: it takes .1 s, and English text never needs it.
    import dateparser

    base = datetime.combine(today, time(12))
    parsed = dateparser.parse(text, languages=[language], settings={"RELATIVE_BASE": base})
    return parsed.date() if parsed else None

"""Days meant by German and Spanish expressions such as "letzten Freitag" or "hace dos meses" (pure).

They are resolved as English ones are: weeks run from Monday to Sunday, "letzten Freitag" is the latest Friday before
the day of telling, and "vor zwei Wochen" means that whole week. "Morgen" and "mañana" count as tomorrow only where
they cannot be the morning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from simplemem_service.pipeline.dates import MONTHS, DateSpan, Days, month_of, nearest_weekday, unit_range

_STEPS = {
    **dict.fromkeys(("vorletzt",), -2),
    **dict.fromkeys(("letzt", "vergangen", "vorig", "pasad", "hace", "vor"), -1),
    **dict.fromkeys(("dies", "est"), 0),
    **dict.fromkeys(("nächst", "kommend", "próxim", "que viene", "dentro", "in", "en"), 1),
    **dict.fromkeys(("übernächst",), 2),
}
_UNITS = {
    **dict.fromkeys(("tag", "día"), "day"),
    **dict.fromkeys(("woche", "semana"), "week"),
    **dict.fromkeys(("monat", "mes"), "month"),
    **dict.fromkeys(("jahr", "año"), "year"),
}
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            "montag lunes",
            "dienstag martes",
            "mittwoch miércoles miercoles",
            "donnerstag jueves",
            "freitag viernes",
            "samstag sonnabend sábado sabado",
            "sonntag domingo",
        )
    )
    for name in names.split()
}
_NUMBERS = {
    name: number
    for number, names in enumerate(
        (
            "ein eine einem einen einer un una",
            "zwei dos",
            "drei tres",
            "vier cuatro",
            "fünf cinco",
            "sechs seis",
            "sieben siete",
            "acht ocho",
            "neun nueve",
            "zehn diez",
            "elf once",
            "zwölf doce",
        ),
        start=1,
    )
    for name in names.split()
}

_NUMBER = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_COUNT = rf"(?P<count>\d{{1,3}}|{_NUMBER})"
_MONTH = rf"(?P<month>{'|'.join(sorted(MONTHS, key=len, reverse=True))})"
_WEEKDAY = rf"(?P<weekday>{'|'.join(_WEEKDAYS)})"
_WHICH = r"(?P<which>vorletzt|letzt|vergangen|vorig|dies|übernächst|nächst|kommend)e[nmrs]?"
_UNIT = r"(?P<unit>woche|monat|jahr)"
_CUAL = r"(?P<which>pasad|próxim)[oa]"
_TRAS = r"(?P<which>pasad|próxim|que\s+viene)[oa]?"
_UNIDAD = r"(?P<unit>semana|mes|año)"

Resolver = Callable[[re.Match[str], date], Days]


def _step(match: re.Match[str]) -> int:
    return _STEPS[" ".join(match["which"].lower().split())]


def _shift(days: int) -> Resolver:
    return lambda _match, today: (today + timedelta(days), today + timedelta(days))


def _unit(match: re.Match[str], today: date) -> Days:
    return unit_range(_UNITS[match["unit"].lower()], today, _step(match))


def _weekend(match: re.Match[str], today: date) -> Days:
    monday, sunday = unit_range("week", today, _step(match))
    return monday + timedelta(5), sunday


def _weekday(match: re.Match[str], today: date) -> Days:
    sign = -1 if _step(match) < 0 else 1
    day = nearest_weekday(today + timedelta(sign), _WEEKDAYS[match["weekday"].lower()], sign)
    return day, day


def _weekday_of_week(match: re.Match[str], today: date) -> Days:
    day = unit_range("week", today, _step(match))[0] + timedelta(_WEEKDAYS[match["weekday"].lower()])
    return day, day


def _month(match: re.Match[str], today: date) -> Days:
    """The nearest such month that has ended, or has not begun."""
    sign, month = _step(match), MONTHS[match["month"].lower()]
    is_beyond = month < today.month if sign < 0 else month > today.month
    return month_of(date(today.year + (0 if is_beyond else sign), month, 1))


def _month_of_year(match: re.Match[str], today: date) -> Days:
    return month_of(date(today.year + _step(match), MONTHS[match["month"].lower()], 1))


def _away(match: re.Match[str], today: date) -> Days:
    named = match["count"].lower()
    count = int(named) if named.isdigit() else _NUMBERS[named]
    return unit_range(_UNITS[match["unit"].lower()], today, count * _step(match))


_GERMAN = (
    (r"vorgestern", _shift(-2)),
    (r"gestern", _shift(-1)),
    (r"übermorgen", _shift(2)),
    (r"(?<!heute )(?<!gestern )(?<!jeden )(?<!am )(?<!guten )(?-i:morgen)", _shift(1)),
    (rf"(?:am\s+)?{_WEEKDAY}\s+{_WHICH}\s+woche", _weekday_of_week),
    (rf"(?:im\s+)?{_MONTH}\s+{_WHICH}\s+jahres", _month_of_year),
    (rf"(?:am\s+|an\s+diesem\s+)?{_WHICH}\s+wochenende", _weekend),
    (rf"(?:am\s+)?{_WHICH}\s+{_WEEKDAY}", _weekday),
    (rf"(?:im\s+)?(?P<which>letzt|vergangen|vorig|nächst|kommend)e[nmrs]?\s+{_MONTH}", _month),
    (rf"(?:in\s+de[rm]\s+|im\s+)?{_WHICH}\s+{_UNIT}", _unit),
    (rf"(?P<which>vor|in)\s+{_COUNT}\s+(?P<unit>tag|woche|monat|jahr)e?n?", _away),
)
_SPANISH = (
    (r"anteayer|antes\s+de\s+ayer|anteanoche", _shift(-2)),
    (r"ayer|anoche", _shift(-1)),
    (r"pasado\s+mañana", _shift(2)),
    (r"(?<!la )(?<!una )(?<!esta )(?<!cada )mañana(?:\s+por\s+la\s+(?:mañana|tarde|noche))?", _shift(1)),
    (rf"(?:el\s+)?{_WEEKDAY}\s+de\s+la\s+semana\s+{_TRAS}", _weekday_of_week),
    (rf"(?:el\s+)?{_WEEKDAY}\s+de\s+la\s+{_CUAL}\s+semana", _weekday_of_week),
    (rf"(?:en\s+)?{_MONTH}\s+del\s+año\s+{_TRAS}", _month_of_year),
    (rf"(?:en\s+)?{_MONTH}\s+del\s+{_CUAL}\s+año", _month_of_year),
    (rf"(?:en\s+)?{_MONTH}\s+de\s+(?P<which>est)e\s+año", _month_of_year),
    (rf"(?:el\s+)?fin\s+de\s+semana\s+{_TRAS}", _weekend),
    (rf"(?:el\s+)?{_CUAL}\s+fin\s+de\s+semana", _weekend),
    (r"(?P<which>est)e\s+fin\s+de\s+semana", _weekend),
    (rf"el\s+{_WEEKDAY}\s+{_TRAS}", _weekday),
    (rf"el\s+{_CUAL}\s+{_WEEKDAY}", _weekday),
    (rf"(?:en\s+|el\s+)?{_MONTH}\s+{_TRAS}", _month),
    (rf"(?:en\s+)?el\s+{_CUAL}\s+{_MONTH}", _month),
    (rf"(?:el|la)\s+{_UNIDAD}\s+{_TRAS}", _unit),
    (rf"(?:el|la)\s+{_CUAL}\s+{_UNIDAD}", _unit),
    (rf"(?P<which>est)[ea]\s+{_UNIDAD}", _unit),
    (rf"(?P<which>hace|dentro|en)\s+(?:de\s+)?{_COUNT}\s+(?P<unit>día|semana|mes|año)(?:e?s)?", _away),
)
_RULES: tuple[tuple[re.Pattern[str], Resolver], ...] = tuple(
    (re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE), resolve) for pattern, resolve in (*_GERMAN, *_SPANISH)
)
_HINT = re.compile(
    r"gestern|morgen|woche|monat|jahr|(?:letzt|vergangen|vorig|nächst|kommend)e[nmrs]?\s|\b(?:vor|in)\s+\w+\s+tage"
    r"|ayer|anoche|mañana|\bhace\b|\bdentro\s+de\b|pasad[oa]|próxim[oa]|que\s+viene|semana|\bmes\b|\baño\b",
    re.IGNORECASE,
)


def find_european(text: str, today: date) -> Iterator[DateSpan]:
    """Days meant by every expression, longer ones before those they hold; none overlaps another."""
    if not _HINT.search(text):
        return
    found: list[DateSpan] = []
    for pattern, resolve in _RULES:
        for match in pattern.finditer(text):
            try:
                first, last = resolve(match, today)
            except (ValueError, OverflowError):
                continue
            span = DateSpan(first, last, match.start(), match.end())
            if not any(span.overlaps(other) for other in found):
                found.append(span)
    yield from found

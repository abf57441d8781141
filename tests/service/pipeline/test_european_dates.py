"""German and Spanish days that only the time of telling makes clear; told on Monday, 8 May 2023."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.pipeline.dates import format_days
from simplemem_service.pipeline.european_dates import find_european
from simplemem_service.pipeline.relative_dates import find_unclear

TOLD = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ich war gestern Abend dort", "7 May 2023"),
        ("Vorgestern kam er an", "6 May 2023"),
        ("wir sehen uns morgen", "9 May 2023"),
        ("übermorgen", "10 May 2023"),
        ("letzten Freitag", "5 May 2023"),
        ("am vergangenen Montag", "1 May 2023"),
        ("nächsten Dienstag", "9 May 2023"),
        ("am Freitag letzter Woche", "5 May 2023"),
        ("letzte Woche", "1-7 May 2023"),
        ("vorletzte Woche", "24-30 April 2023"),
        ("in der nächsten Woche", "15-21 May 2023"),
        ("letztes Wochenende", "6-7 May 2023"),
        ("im letzten Monat", "April 2023"),
        ("nächsten Monat", "June 2023"),
        ("letztes Jahr", "2022"),
        ("in diesem Jahr", "2023"),
        ("im März letzten Jahres", "March 2022"),
        ("letzten März", "March 2023"),
        ("letzten Juni", "June 2022"),
        ("nächsten Januar", "January 2024"),
        ("vor zwei Wochen", "24-30 April 2023"),
        ("vor drei Tagen", "5 May 2023"),
        ("vor einem Jahr", "2022"),
        ("in zwei Monaten", "July 2023"),
        ("im Juni", "June 2023"),
        ("ayer por la tarde", "7 May 2023"),
        ("anteayer", "6 May 2023"),
        ("anoche cenamos", "7 May 2023"),
        ("mañana por la mañana", "9 May 2023"),
        ("pasado mañana", "10 May 2023"),
        ("el viernes pasado", "5 May 2023"),
        ("el pasado lunes", "1 May 2023"),
        ("el próximo martes", "9 May 2023"),
        ("el jueves que viene", "11 May 2023"),
        ("el viernes de la semana pasada", "5 May 2023"),
        ("la semana pasada", "1-7 May 2023"),
        ("la próxima semana", "15-21 May 2023"),
        ("el fin de semana pasado", "6-7 May 2023"),
        ("este fin de semana", "13-14 May 2023"),
        ("el mes pasado", "April 2023"),
        ("este mes", "May 2023"),
        ("el año que viene", "2024"),
        ("en marzo del año pasado", "March 2022"),
        ("en junio pasado", "June 2022"),
        ("hace dos meses", "March 2023"),
        ("hace 3 días", "5 May 2023"),
        ("hace un año", "2022"),
        ("dentro de dos semanas", "22-28 May 2023"),
        ("el 29 de diciembre", "29 December 2022"),
    ],
)
def test_the_days_meant_are_found(text: str, expected: str) -> None:
    (span,) = find_unclear(text, TOLD)
    assert format_days(span.first, span.last) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Guten Morgen!",
        "heute morgen",
        "Ich stehe jeden Morgen früh auf",
        "por la mañana",
        "la mañana",
        "Er wohnt vor dem Jahrmarkt",
        "das letzte Mal",
        "el pasado es pasado",
        "He pasado un buen día",
        "en el mes",
        "nächster Halt",
    ],
)
def test_what_is_no_date_is_left_alone(text: str) -> None:
    assert find_unclear(text, TOLD) == []


def test_days_beyond_the_calendar_are_left_out() -> None:
    assert list(find_european("vor 999 Jahren, hace 999 años", date(500, 1, 1))) == []


@given(st.text(max_size=120))
def test_any_text_is_data(text: str) -> None:
    assert all(0 <= span.start < span.end <= len(text) for span in find_european(text, TOLD.date()))


@given(st.dates(date(1950, 1, 1), date(2090, 1, 1)), st.sampled_from(["letzten Mittwoch", "el miércoles pasado"]))
def test_a_last_weekday_lies_in_the_week_before_the_telling(told: date, text: str) -> None:
    (span,) = find_european(text, told)
    assert span.first.strftime("%A") == "Wednesday"
    assert 1 <= (told - span.first).days <= 7

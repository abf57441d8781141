"""Turns made self-contained by rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.pipeline.normalize import LONGEST_READ, MOST_KEYWORDS, normalize_turn
from tests.support.entries import NOON, make_turn

PEOPLE = ["Ada", "Melanie"]


def test_the_speaker_is_named_and_dates_are_made_absolute() -> None:
    found = normalize_turn(make_turn(1, text="I went there yesterday, Mel!"), PEOPLE)
    assert found.restatement == "Ada: I went there yesterday (28 February 2026), Mel!"
    assert found.persons == ("Ada", "Melanie")


def test_without_a_time_nothing_is_resolved() -> None:
    found = normalize_turn(make_turn(1, text="I went yesterday.", timestamp=None), PEOPLE)
    assert found.restatement == "Ada: I went yesterday."


def test_proper_names_and_numbers_are_entities_but_sentence_beginnings_are_not() -> None:
    found = normalize_turn(make_turn(1, text="Today we saw the Eiffel Tower. Nice, 330 metres! I liked Paris"), PEOPLE)
    assert found.entities == ("Eiffel Tower", "Paris", "330")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Last year I visited Rome with them.", "Rome"),
        ("We moved to New York then.", "New York"),
        ("I live in the Netherlands.", "Netherlands"),
        ("We go there in May.", None),
        ("I am going to May.", None),
        ("It was in vain.", None),
    ],
)
def test_a_place_is_named_only_where_it_is_obvious(text: str, place: str | None) -> None:
    assert normalize_turn(make_turn(1, text=text), PEOPLE).location == place


def test_keywords_are_content_words() -> None:
    found = normalize_turn(make_turn(1, text="The pottery class and the pottery teacher were a joy."), PEOPLE)
    assert found.keywords[0] == "pottery"
    assert not {"the", "and", "were", "a"} & set(found.keywords)


def test_a_document_is_kept_whole_though_the_rules_read_its_beginning() -> None:
    text = "word " * LONGEST_READ
    assert normalize_turn(make_turn(1, text=text), PEOPLE).restatement == f"Ada: {text}"


@given(st.text(max_size=200))
def test_no_word_is_lost(text: str) -> None:
    found = normalize_turn(make_turn(1, text=text, timestamp=NOON), PEOPLE)
    kept = iter(found.restatement)
    assert all(character in kept for character in text)
    assert len(found.keywords) <= MOST_KEYWORDS

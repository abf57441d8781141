"""Text to terms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.index.analysis import TERM_LENGTH, bigrams, document_terms, question_terms, tokenize
from simplemem_service.index.languages import Language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Painting, painted; paints!", ("paint", "paint", "paint")),
        ("Caroline's dogs", ("carolin", "dog")),
        ("Caroline’s dogs", ("carolin", "dog")),
        ("de-stress in 2023", ("de", "stress", "in", "2023")),
        ("Übermäßig große Straße", ("übermässig", "gross", "strass")),
        ("ＡＢＣ １２", ("abc", "12")),
        ("我去了植物园", ("我去", "去了", "了植", "植物", "物园")),
        ("猫", ("猫",)),
        ("iPhone15和猫咪", ("iphone15", "和猫", "猫咪")),
        ("Книги и книга", ("книг", "и", "книг")),
        ("snake_case", ("snake", "case")),
        ("", ()),
        ("?!… 🙂", ()),
    ],
)
def test_text_becomes_terms(text: str, expected: tuple[str, ...]) -> None:
    assert tokenize(text) == expected


def test_a_question_loses_its_function_words_unless_nothing_else_is_left() -> None:
    assert question_terms("What did the dog eat, and what did the cat eat?") == ("dog", "eat", "cat")
    assert question_terms("Who is it?") == ("who", "is", "it")


@pytest.mark.parametrize(
    ("language", "question", "told"),
    [
        (Language.GERMAN, "Welche Bücher hat sie gelesen?", "Ich habe das Buch gelesen"),
        (Language.GERMAN, "Welche Blumen mag sie?", "Ich habe mir eine Blume gekauft"),
        (Language.SPANISH, "¿Qué visitaron?", "Visitamos una ciudad preciosa"),
        (Language.SPANISH, "¿Quién cocinaba?", "Yo cocino los domingos"),
    ],
)
def test_inflected_words_meet_in_their_own_language(language: Language, question: str, told: str) -> None:
    assert set(question_terms(question, language)) & set(document_terms(told, language))


def test_a_name_is_found_across_languages() -> None:
    for language in Language:
        assert set(question_terms("Jonas", language)) & set(document_terms("Jonas", Language.GERMAN))
    assert "jona" in document_terms("Jonas wohnt hier", Language.GERMAN)


def test_function_words_of_a_german_and_a_spanish_question_are_not_looked_for() -> None:
    assert question_terms("Was hat sie mit dem Hund gemacht?", Language.GERMAN) == ("hund", "gemacht")
    assert question_terms("¿Dónde está el gato?", Language.SPANISH) == ("gat", "gato")
    assert question_terms("Wer ist das?", Language.GERMAN)[:3] == ("wer", "ist", "das")


def test_bigrams_are_pairs_of_neighbours() -> None:
    assert bigrams(("half", "marathon", "yesterday")) == ("half_marathon", "marathon_yesterday")
    assert bigrams(("half",)) == ()


@given(st.text(max_size=200))
def test_terms_are_short_and_free_of_white_space(text: str) -> None:
    terms = tokenize(text)
    assert all(term and len(term) <= TERM_LENGTH * 3 and term.split() == [term] and "_" not in term for term in terms)
    assert tokenize(text.upper()) == tokenize(text.upper().lower())

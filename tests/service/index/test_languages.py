"""Languages told apart by their function words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.index.languages import Language, detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What did Melanie paint?", Language.ENGLISH),
        ("See ya, bye!", Language.ENGLISH),
        ("I was at the café", Language.ENGLISH),
        ("Was hat Miriam gemacht?", Language.GERMAN),
        ("Was backt Jonas am Sonntag?", Language.GERMAN),
        ("Entzündung", Language.GERMAN),
        ("¿Qué vendió Lucía?", Language.SPANISH),
        ("Quien vendio el coche", Language.SPANISH),
        ("Wir fahren nach Madrid", Language.GERMAN),
        ("Sauerteig", None),
        ("我去了植物园", None),
        ("", None),
    ],
)
def test_the_language_is_told_by_its_function_words(text: str, language: Language | None) -> None:
    assert detect_language(text) is language


@given(st.text(max_size=80))
def test_any_text_is_data(text: str) -> None:
    assert detect_language(text) in (*Language, None)

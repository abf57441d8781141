"""Questions taken apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.pipeline.question import LONGEST_QUESTION, read_question

PEOPLE = ["Melanie", "Caroline"]


def test_names_and_function_words_are_taken_out_of_the_terms() -> None:
    question = read_question("What did Melanie's daughter paint?", PEOPLE)
    assert question.terms == ("daughter", "paint")
    assert question.people == ("Melanie",)


def test_names_become_i_in_what_is_encoded() -> None:
    assert read_question("What did Melanie paint?", PEOPLE).meaning == "What did I paint?"
    assert read_question("Where is Caroline’s necklace from?", PEOPLE).meaning == "Where is my necklace from?"


def test_names_are_left_out_where_the_question_is_not_english() -> None:
    assert read_question("Wo wohnt Melanie?", PEOPLE).meaning == "Wo wohnt ?"


def test_a_question_of_names_alone_keeps_them() -> None:
    question = read_question("Melanie, Caroline?", PEOPLE)
    assert question.terms == ("melani", "carolin")
    assert question.meaning


def test_dates_are_read() -> None:
    (span,) = read_question("What happened on 9 June 2023?", PEOPLE).dates
    assert span.first.isoformat() == "2023-06-09"


def test_a_question_of_function_words_keeps_them() -> None:
    assert read_question("What is it?", PEOPLE).terms == ("what", "is", "it")


def test_a_very_long_question_is_read_in_part() -> None:
    assert len(read_question("why " * 10_000, PEOPLE).meaning) <= LONGEST_QUESTION


@given(st.text(max_size=120))
def test_any_text_is_data(text: str) -> None:
    question = read_question(text, PEOPLE)
    assert all(term and not term.isspace() for term in question.terms)

"""Complexity of questions, and the depth that follows from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.pipeline.complexity import DEPTH_GAIN, deepen
from simplemem_service.pipeline.question import read_question

PEOPLE = ["Melanie", "Caroline", "张伟", "李娜"]


@pytest.mark.parametrize(
    ("text", "complexity"),
    [
        ("Where does Melanie live?", 0.0),
        ("What did Melanie paint on 9 June 2023?", 0.0),
        ("What books has Melanie read?", 0.75),
        ("How many children does Melanie have?", 0.75),
        ("Where did Melanie and Caroline meet?", 0.85),
        ("What did Melanie do after she moved?", 0.1),
        ("Is Melanie older than her sister, or the same age?", 0.2),
        ("What happened between 9 June 2023 and 3 July 2023?", 0.2),
        ("Which hobbies do Melanie and Caroline have in common?", 1.0),
        ("Wo wohnt Melanie?", 0.0),
        ("Wie viele Katzen hat Melanie?", 0.75),
        ("Was haben Melanie und Caroline gemeinsam?", 1.0),
        ("¿Dónde vive Melanie?", 0.0),
        ("¿Cuántos gatos tiene Melanie?", 0.75),
        ("¿Qué ciudades visitó Melanie cuando estaba en Italia?", 0.85),
        ("张伟住在哪里？", 0.0),
        ("张伟去过哪些城市？", 0.75),
        ("张伟和李娜都喜欢什么？", 1.0),
    ],
)
def test_a_question_is_as_complex_as_what_it_asks_for(text: str, complexity: float) -> None:
    assert read_question(text, PEOPLE).complexity == pytest.approx(complexity)


@pytest.mark.parametrize(
    ("base", "complexity", "depth"), [(10, 0, 10), (10, 0.75, 17), (10, 1, 20), (1, 0.75, 1), (3, 0.5, 4)]
)
def test_the_depth_is_that_of_the_formula(base: int, complexity: float, depth: int) -> None:
    assert deepen(base, complexity) == depth


@given(st.integers(1, 1000), st.floats(0, 1), st.floats(0, 1), st.floats(0, 4))
def test_the_depth_grows_with_complexity_within_its_bounds(base: int, low: float, high: float, gain: float) -> None:
    low, high = sorted((low, high))
    assert base <= deepen(base, low, gain) <= deepen(base, high, gain) <= base * (1 + gain)
    assert deepen(base, 0.0, gain) == base
    assert deepen(base, 1.0) == base * (1 + DEPTH_GAIN)


@given(st.text(max_size=200))
def test_complexity_of_any_text_lies_between_0_and_1(text: str) -> None:
    assert 0 <= read_question(text, PEOPLE).complexity <= 1

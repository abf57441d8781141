"""Names of participants in questions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.pipeline.names import find_names, is_one_mistake_apart

PEOPLE = ["Melanie", "Caroline Baker", "Will", "王小明", "Jon", "Ümit"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What did Melanie paint?", ["Melanie"]),
        ("what did melanie paint?", ["Melanie"]),
        ("What did Mel paint?", ["Melanie"]),
        ("what does mel mean here", []),
        ("When did Melenie paint?", ["Melanie"]),
        ("Where does Caroline live?", ["Caroline Baker"]),
        ("Where does Caroline Baker live?", ["Caroline Baker"]),
        ("Which car did they buy?", []),
        ("Is the baker from town?", ["Caroline Baker"]),
        ("What will Jon do?", ["Jon"]),
        ("What did Will do?", ["Will"]),
        ("Did John join?", []),
        ("王小明在哪里工作？", ["王小明"]),
        ("Was hat ÜMIT gesagt?", ["Ümit"]),
        ("Melanie's and Jon's plans", ["Melanie", "Jon"]),
        ("", []),
    ],
)
def test_participants_are_recognised(text: str, expected: list[str]) -> None:
    assert [person.name for person in find_names(text, PEOPLE)] == expected


def test_the_possessive_is_not_part_of_the_name() -> None:
    (person,) = find_names("Is it Melanie's?", PEOPLE)
    assert (person.start, person.end) == (6, 13)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("oskar", "oscar", True),
        ("jonh", "john", True),
        ("melany", "melanie", False),
        ("anna", "ana", True),
        ("anna", "hanna", True),
        ("anna", "anna", False),
        ("ab", "ba", True),
        ("abcd", "badc", False),
        ("", "a", True),
    ],
)
def test_one_mistake_is_recognised(first: str, second: str, expected: bool) -> None:
    assert is_one_mistake_apart(first, second) is expected
    assert is_one_mistake_apart(second, first) is expected


@given(st.text(max_size=80), st.lists(st.text(max_size=12), max_size=6))
def test_found_names_lie_in_the_text_without_overlaps(text: str, names: list[str]) -> None:
    found = find_names(text, names)
    assert all(person.name in names and 0 <= person.start < person.end <= len(text) for person in found)
    assert all(first.end <= second.start for first, second in pairwise(found))

"""Facts that can change, as people tell them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.pipeline.attributes import Fact, find_facts, is_exclusive


@pytest.mark.parametrize(
    ("text", "subject", "attribute", "value", "replaces", "is_change"),
    [
        ("I live in Paris.", "ada", "home", "paris", "", False),
        ("I live in Rome now.", "ada", "home", "rome", "", True),
        ("Hey! I'm living in New York these days.", "ada", "home", "new york", "", True),
        ("Ben moved from Paris to Rome.", "ben", "home", "rome", "paris", True),
        ("I just moved to Bonn from Boston last week!", "ada", "home", "bonn", "boston", True),
        ("My sister lives in Berlin", "ada/sister", "home", "berlin", "", False),
        ("Ada: I moved to Rome (7 May 2023).", "ada", "home", "rome", "", True),
        ("I work at Google as a nurse.", "ada", "employer", "google", "", False),
        ("I started a new job at Siemens!", "ada", "employer", "siemens", "", True),
        ("I'm now a doctor at the clinic.", "ada", "job", "doctor", "", True),
        ("I got promoted to senior engineer!", "ada", "job", "senior engineer", "", True),
        ("I work as a teacher.", "ada", "job", "teacher", "", False),
        ("My favorite color is blue now.", "ada", "favourite:color", "blue", "", True),
        ("Ben's favourite tea is Earl Grey.", "ben", "favourite:tea", "earl grey", "", False),
        ("I'm single again.", "ada", "relationship", "single", "", False),
        ("We met in May and I got married.", "ada", "relationship", "married", "", False),
        ("I'm 30 years old.", "ada", "age", "30", "", False),
        ("I turned 31.", "ada", "age", "31", "", True),
        ("My new phone number is +49 170 1234567.", "ada", "phone", "+49 170 1234567", "", True),
        ("My e-mail is ada@example.org.", "ada", "email", "ada@example.org", "", False),
        ("My address is 5 Main Street, Bonn", "ada", "address", "5 main street, bonn", "", False),
        ("My new car is a Fiat Panda.", "ada", "own:car", "fiat panda", "", True),
        ("I switched from tea to coffee.", "ada", "", "coffee", "tea", True),
        ("Ich wohne jetzt in Hamburg.", "ada", "home", "hamburg", "", True),
        ("Ich bin von Bonn nach Köln gezogen.", "ada", "home", "köln", "bonn", True),
        ("Ich arbeite bei Siemens.", "ada", "employer", "siemens", "", False),
        ("Meine Lieblingsfarbe ist Blau.", "ada", "favourite:farbe", "blau", "", False),
        ("Vivo ahora en Madrid.", "ada", "home", "madrid", "", True),
        ("Me mudé de Madrid a Sevilla.", "ada", "home", "sevilla", "madrid", True),
        ("Mi color favorito es el rojo.", "ada", "favourite:color", "rojo", "", False),
        ("我现在住在北京。", "ada", "home", "北京", "", True),
        ("我从北京搬到了上海。", "ada", "home", "上海", "北京", True),
        ("小明在书店工作。", "小明", "employer", "书店", "", False),
        ("我最喜欢的颜色是蓝色。", "ada", "favourite:颜色", "蓝色", "", False),
    ],
)
def test_a_fact_is_read(text: str, subject: str, attribute: str, value: str, replaces: str, is_change: bool) -> None:
    assert find_facts(text, "Ada", ["Ada", "小明"]) == [Fact(subject, attribute, value, replaces, is_change)]


@pytest.mark.parametrize(
    "text",
    [
        "Where do you live? In Paris?",
        "If I lived in Rome, I would eat more.",
        "I used to live in Paris.",
        "I want to move to Rome.",
        "I moved to Sweden 4 years ago.",
        "When I was a child, I lived in Paris.",
        "She lives in Oslo.",
        "I live in the moment.",
        "One of my favorite books is Dune.",
        "My favourite part is the end.",
        "My dog is cute.",
        "We changed plans from May to June.",
        "I'm engaged in politics.",
        "小红在书店工作吗？",
    ],
)
def test_what_is_no_fact_is_left_alone(text: str) -> None:
    assert find_facts(text, "Ada") == []


def test_without_a_speaker_i_is_nobody() -> None:
    assert find_facts("I live in Rome. Ben lives in Bonn.", "") == [Fact("ben", "home", "bonn")]


def test_several_facts_of_a_text_are_read_in_order() -> None:
    found = find_facts("I live in Rome and I work at Google. My favourite food is pizza!", "Ada")
    assert [fact.attribute for fact in found] == ["home", "employer", "favourite:food"]


def test_one_has_one_home_and_may_have_two_jobs() -> None:
    assert is_exclusive("home")
    assert is_exclusive("favourite:tea")
    assert not is_exclusive("employer")


@given(st.text(max_size=300), st.text(max_size=20))
def test_any_text_is_read_without_harm(text: str, speaker: str) -> None:
    for fact in find_facts(f"{text} I live in Rome.", speaker, [speaker]):
        assert fact.subject
        assert fact.value

"""Conversations as text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.constants import TEXT_MAX_CHARS
from simplemem_service.ingest.raw_text import parse_conversation
from simplemem_service.models.operation import GivenTurn

TIME = datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("Ada: Hello", [GivenTurn("Ada", "Hello")]),
        (
            "Ada: Hello\nBen: Hi\n\nAda: Bye",
            [GivenTurn("Ada", "Hello"), GivenTurn("Ben", "Hi"), GivenTurn("Ada", "Bye")],
        ),
        ("[2026-03-01T10:00:00Z] Ada: Hello", [GivenTurn("Ada", "Hello", timestamp=TIME)]),
        ("[2026-03-01 10:00] Ada: Hello", [GivenTurn("Ada", "Hello", timestamp=TIME)]),
        ("[2026-03-01T12:00+02:00] Hello", [GivenTurn("user", "Hello", timestamp=TIME)]),
        ("[laughs] Hello", [GivenTurn("user", "[laughs] Hello")]),
        ("Hello there", [GivenTurn("user", "Hello there")]),
        ("Ada: one\ntwo\n  three", [GivenTurn("Ada", "one\ntwo\nthree")]),
        ("Ada:\nHello", [GivenTurn("Ada", "Hello")]),
        ("Mary Ann Smith: Hello", [GivenTurn("Mary Ann Smith", "Hello")]),
        ("小明\uff1a你好", [GivenTurn("小明", "你好")]),
        ("We meet at 10:30 sharp", [GivenTurn("user", "We meet at 10:30 sharp")]),
        ("see http://example.org/x", [GivenTurn("user", "see http://example.org/x")]),
        (
            "Ada: I said what I always say and then: silence",
            [GivenTurn("Ada", "I said what I always say and then: silence")],
        ),
        ("there are two things I want to say: hello", [GivenTurn("user", "there are two things I want to say: hello")]),
        ("", []),
        (" \n\t\n", []),
        ("Ada:", []),
    ],
)
def test_lines_become_turns(text: str, turns: list[GivenTurn]) -> None:
    assert parse_conversation(text) == turns


def test_a_text_longer_than_a_turn_may_be_is_split_and_not_cut() -> None:
    text = "Ada: " + "x" * (2 * TEXT_MAX_CHARS + 5)
    turns = parse_conversation(text)
    assert [len(turn.text) for turn in turns] == [TEXT_MAX_CHARS, TEXT_MAX_CHARS, 5]
    assert {turn.speaker for turn in turns} == {"Ada"}


@given(st.text())
def test_every_word_said_is_kept(text: str) -> None:
    turns = parse_conversation(text)
    said = " ".join(f"{turn.speaker} {turn.text}" for turn in turns)
    if not any(mark in text for mark in "[:\uff1a"):
        assert all(word in said for word in text.split())
    assert all(turn.text.strip() for turn in turns)

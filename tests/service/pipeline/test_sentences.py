"""Splitting into sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.pipeline.sentences import LONGEST_SENTENCE, MOST_SENTENCES, split_sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four… five", ("One.", "Two!", "Three?", "Four…", "five")),
        ("It costs 3.50 euros.", ("It costs 3.50 euros.",)),
        ("line one\n\nline two", ("line one", "line two")),
        ("你好。我很好！你呢？", ("你好。", "我很好！", "你呢？")),
        ("Look. [a photo of a dog]", ("Look.", "[a photo of a dog]")),
        ("", ("",)),
        ("   ", ("   ",)),
    ],
)
def test_text_is_split_at_the_ends_of_sentences(text: str, expected: tuple[str, ...]) -> None:
    assert split_sentences(text) == expected


def test_a_very_long_text_is_cut_into_a_bounded_number_of_pieces() -> None:
    pieces = split_sentences(" ".join(f"Sentence number {number}." for number in range(200)))
    assert len(pieces) <= MOST_SENTENCES
    assert pieces[0].startswith("Sentence number 0.")
    assert pieces[-1].endswith("Sentence number 199.")


def test_a_text_without_spaces_is_cut_hard() -> None:
    pieces = split_sentences("x" * (LONGEST_SENTENCE * 2 + 5))
    assert [len(piece) for piece in pieces] == [LONGEST_SENTENCE, LONGEST_SENTENCE, 5]


@given(st.text(max_size=3000))
def test_nothing_but_white_space_is_lost(text: str) -> None:
    pieces = split_sentences(text)
    assert pieces
    assert len(pieces) <= MOST_SENTENCES
    assert "".join("".join(pieces).split()) == "".join(text.split())

"""Text to sentences: the pieces whose vectors are compared with a question (pure)."""

from __future__ import annotations

import re

MOST_SENTENCES = 24
"""Sentences kept apart in one turn; a longer text is cut into this many pieces of about equal length instead."""
LONGEST_SENTENCE = 800
"""Longest piece in characters; about what a small model reads before it cuts off."""

_QUESTION_MARKS = ("?", "\uff1f")
_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。\uff01\uff1f])|\n+")


def split_sentences(text: str) -> tuple[str, ...]:
    """Sentences of a text in their order; at least one, the text itself where nothing can be split.

    Ends are full stops, question and exclamation marks before white space, their Chinese and Japanese forms anywhere,
    and line breaks. What is longer than `LONGEST_SENTENCE` is cut at white space, or hard where there is none.
    """
    pieces = [piece.strip() for piece in _END.split(text) if piece and piece.strip()]
    cut = [part for piece in pieces for part in _cut(piece)]
    if len(cut) > MOST_SENTENCES:
        share = -(-len(cut) // MOST_SENTENCES)
        cut = [" ".join(cut[i : i + share]) for i in range(0, len(cut), share)]
    return tuple(cut) or (text,)


def is_question(text: str) -> bool:
    """Whether a text ends in a question, a picture's caption in brackets left aside."""
    return _without_caption(text).endswith(_QUESTION_MARKS)


def closing_question(text: str) -> str:
    """The question that a text ends in, without a picture's caption; empty where it ends in none."""
    return split_sentences(_without_caption(text))[-1] if is_question(text) else ""


def _without_caption(text: str) -> str:
    own = text.rstrip()
    return own[: own.rfind("[")].rstrip() if own.endswith("]") else own


def _cut(piece: str) -> list[str]:
    """Parts of at most `LONGEST_SENTENCE` characters."""
    parts: list[str] = []
    while len(piece) > LONGEST_SENTENCE:
        space = piece.rfind(" ", LONGEST_SENTENCE // 2, LONGEST_SENTENCE)
        end = space if space > 0 else LONGEST_SENTENCE
        parts.append(piece[:end].strip())
        piece = piece[end:].strip()
    return [*parts, piece]

"""The entries found as one text for a language model, within a token budget (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simplemem_service.models.entry import Entry
from simplemem_service.pipeline.dates import format_days

TokenCounter = Callable[[str], int]
"""Length of a text in tokens."""


def format_entry(entry: Entry) -> str:
    """One line for an entry, after the day it was told: "[8 May 2023] Caroline: I went yesterday (7 May 2023)"."""
    text = " ".join(entry.lossless_restatement.split())
    if entry.timestamp is None:
        return text
    day = entry.timestamp.date()
    return f"[{format_days(day, day)}] {text}"


def build_context(entries: Sequence[Entry], max_tokens: int, count_tokens: TokenCounter) -> tuple[str, int]:
    """Lines of the entries, in their order, and the length of it all in tokens, at most `max_tokens`.

    An entry that no longer fits is left out and shorter ones after it still have their chance. If not even one fits,
    the first is cut after as many words as do.
    """
    lines: list[str] = []
    used = 0
    for entry in entries:
        line = format_entry(entry)
        tokens = count_tokens(line)
        if used + tokens <= max_tokens:
            lines.append(line)
            used += tokens
    if entries and not lines:
        lines = [_cut(format_entry(entries[0]), max_tokens, count_tokens)]
    return _fitted(lines, max_tokens, count_tokens)


def _fitted(lines: list[str], max_tokens: int, count_tokens: TokenCounter) -> tuple[str, int]:
    """The lines as one text; its length may differ from the lines' sum, since some models join words over line ends."""
    while lines:
        text = "\n".join(lines)
        tokens = count_tokens(text)
        if tokens <= max_tokens:
            return text, tokens
        lines = lines[:-1]
    return "", 0


def _cut(line: str, max_tokens: int, count_tokens: TokenCounter) -> str:
    """The most words from the beginning of a line that fit."""
    words = line.split(" ")
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens(" ".join(words[:middle])) <= max_tokens:
            low = middle
        else:
            high = middle - 1
    return " ".join(words[:low])

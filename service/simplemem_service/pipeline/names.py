"""Which of the people who speak in a memory a question names, however they are spelled (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from simplemem_service.index.analysis import CJK, STOP_WORDS

SHORTEST_NICKNAME = 3
"""Letters that the beginning of a name must have to stand for it ("Mel" for Melanie)."""
SHORTEST_MISSPELT = 4
"""Letters a word must have to count as a name spelled with one mistake."""
MOST_NAMES = 200
"""Names compared, the most talkative first; a memory with more speakers is a public forum."""

_WORD = re.compile(rf"[^\W_{CJK}]+(?:-[^\W_{CJK}]+)*")
_HAS_CJK = re.compile(rf"[{CJK}]")


@dataclass(frozen=True, slots=True)
class NamedPerson:
    """A name found in a text."""

    name: str
    """The person's name as the memory spells it."""
    start: int
    """Where the name begins in the text."""
    end: int
    """Where it ends, exclusive; an English possessive `'s` is not part of it."""


def find_names(text: str, names: Sequence[str]) -> list[NamedPerson]:
    """Names of known people in a text, in its order, without overlaps.

    A name is known by any of its parts in any case; by the beginning of a part or with one mistake (a letter wrong,
    missing, added, or two swapped) where the text writes it with a capital. A part that is also a function word
    ("Will", "May") needs the capital, too. Names in Chinese or Japanese are looked for as they are.
    """
    known = [name for name in names[:MOST_NAMES] if name.strip()]
    found = _find_whole(text, [name for name in known if " " in name.strip() or _HAS_CJK.search(name)])
    parts = [(part, name) for name in known for part in _WORD.findall(name)]
    for match in _WORD.finditer(text):
        if any(match.start() < person.end and person.start < match.end() for person in found):
            continue
        name = _match_name(match[0], parts)
        if name is not None:
            found.append(NamedPerson(name, match.start(), match.end()))
    return sorted(found, key=lambda person: person.start)


def _find_whole(text: str, names: Sequence[str]) -> list[NamedPerson]:
    """Names of several words, and names in scripts without spaces."""
    found: list[NamedPerson] = []
    folded = text.casefold()
    # Folding may change lengths ("ß"); places in the folded text would then point elsewhere.
    if len(folded) != len(text):
        folded = text
    for name in sorted(names, key=len, reverse=True):
        start = folded.find(name.casefold())
        if start >= 0 and not any(start < person.end and person.start < start + len(name) for person in found):
            found.append(NamedPerson(name, start, start + len(name)))
    return found


def _match_name(word: str, parts: Sequence[tuple[str, str]]) -> str | None:
    """The person whom a word names, the surest reading first."""
    lower, has_capital = word.casefold(), word[:1].isupper()
    is_function_word = lower in STOP_WORDS
    if is_function_word and not has_capital:
        return None
    for part, name in parts:
        if lower == part.casefold():
            return name
    if is_function_word or not has_capital:
        return None
    for part, name in parts:
        if len(lower) >= SHORTEST_NICKNAME and part.casefold().startswith(lower):
            return name
    for part, name in parts:
        if min(len(lower), len(part)) >= SHORTEST_MISSPELT and is_one_mistake_apart(lower, part.casefold()):
            return name
    return None


def is_one_mistake_apart(first: str, second: str) -> bool:
    """Whether one letter changed, added or left out, or two neighbours swapped, turns one word into the other."""
    if first == second or abs(len(first) - len(second)) > 1:
        return False
    short, long = sorted((first, second), key=len)
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    is_swap = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    return short[at + 1 :] == long[at + 1 :] or is_swap

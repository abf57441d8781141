"""A turn made self-contained by rules: speaker named, dates absolute, keywords, people, place (pure).

It changes no word of the turn, it only adds: "Caroline: I went to a support group yesterday (7 May 2023)." So nothing
is lost where a rule is wrong. References such as "she" are resolved where there is no doubt (`references.py`); the rest
stays for the language model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from simplemem_service.index.analysis import CJK, STOP_WORDS
from simplemem_service.models.entry import Turn
from simplemem_service.pipeline.dates import MONTHS, WEEKDAYS, format_days
from simplemem_service.pipeline.names import find_names
from simplemem_service.pipeline.references import find_references
from simplemem_service.pipeline.relative_dates import find_unclear

MOST_KEYWORDS = 8
"""Keywords kept for one turn."""
LONGEST_READ = 20_000
"""Characters of a turn that the rules look at; the rest is kept as it is. A longer one is a document, not a remark."""

_CAPITAL = r"[A-Z\u00c0-\u00d6\u00d8-\u00de\u0410-\u042f][\w'\u2019&-]*"
_PROPER_NAME = re.compile(rf"(?<![.!?…:]\s)(?<!^)(?<![\w'\u2019\"\u201c(\[]){_CAPITAL}(?:\s+{_CAPITAL})*")
_NUMBER = re.compile(r"\b\d+(?:[.,]\d+)*\b")
_WORD = re.compile(rf"[{CJK}]{{2,}}|[^\W\d_{CJK}][\w-]{{2,}}")
_WENT = (
    r"visit(?:ed|ing)?|mov(?:ed?|ing) (?:to|from)|trips? to|travel(?:l?ed|l?ing)? to|(?:flew|fly|flying|went|going) to"
    r"|(?:live|lives|lived|living|arrived|stayed|staying) in|back (?:in|from)"
)
_PLACE = re.compile(rf"\b(?:{_WENT})\s+(?:the\s+)?(?P<place>{_CAPITAL}(?:\s+{_CAPITAL})*)")
_NO_NAME = (
    frozenset(MONTHS)
    | frozenset(WEEKDAYS)
    | STOP_WORDS
    | frozenset(["i'm", "i've", "i'll", "i'd", "ok", "okay", "yes", "no", "hey", "hi"])
)


@dataclass(frozen=True, slots=True)
class Normalized:
    """What the rules make of a turn."""

    restatement: str
    """The self-contained sentence."""
    keywords: tuple[str, ...]
    """Content words, lower case, most telling first, at most `MOST_KEYWORDS`."""
    persons: tuple[str, ...]
    """The speaker first, then the participants named."""
    entities: tuple[str, ...]
    """Proper names and numbers of the text, in its order."""
    location: str | None
    """A place the text says someone was at or goes to; None unless it is obvious."""


def normalize_turn(turn: Turn, participants: Sequence[str], before: Sequence[tuple[str, str]] = ()) -> Normalized:
    """What the rules make of a turn.

    Parameters
    ----------
    turn
        The turn.
    participants
        Names of those who take part in the conversation.
    before
        Speaker and text of the turns before it in its session, in order.
    """
    text = turn.text[:LONGEST_READ]
    persons = tuple(dict.fromkeys((turn.speaker, *(person.name for person in find_names(text, participants)))))
    entities = _find_entities(text)
    return Normalized(
        restatement=f"{turn.speaker}: {_explained(turn, participants, before)}",
        keywords=_pick_keywords(text, entities),
        persons=persons,
        entities=entities,
        location=_find_place(text),
    )


def _explained(turn: Turn, participants: Sequence[str], before: Sequence[tuple[str, str]]) -> str:
    """The text with days and people written behind the expressions that mean them."""
    read = turn.text[:LONGEST_READ]
    notes = [(found.end, found.means) for found in find_references(read, turn.speaker, before, participants)]
    if turn.timestamp is not None:
        notes += [(span.end, format_days(span.first, span.last)) for span in find_unclear(read, turn.timestamp)]
    out: list[str] = []
    done = 0
    for end, meaning in sorted(notes):
        out += [turn.text[done:end], f" ({meaning})"]
        done = end
    return "".join([*out, turn.text[done:]])


def _find_entities(text: str) -> tuple[str, ...]:
    """Proper names that do not begin a sentence, and numbers."""
    names = [match[0] for match in _PROPER_NAME.finditer(text) if match[0].casefold() not in _NO_NAME]
    return tuple(dict.fromkeys([*names, *_NUMBER.findall(text)]))


def _pick_keywords(text: str, entities: Sequence[str]) -> tuple[str, ...]:
    """Entities, then content words by frequency and length: rules know no better measure of what a word tells."""
    words = [word for word in _WORD.findall(text.casefold()) if word not in STOP_WORDS]
    counts = Counter(words)
    ranked = sorted(counts, key=lambda word: (-counts[word], -len(word)))
    return tuple(dict.fromkeys([*(entity.casefold() for entity in entities), *ranked]))[:MOST_KEYWORDS]


def _find_place(text: str) -> str | None:
    for match in _PLACE.finditer(text):
        if match["place"].casefold() not in _NO_NAME:
            return match["place"]
    return None

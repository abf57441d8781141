"""Facts that can change, read from a sentence by rules: who, which attribute, which value (pure).

Read are homes, employers, jobs, favourites, relationships, ages, addresses, telephone numbers and the like, in English,
and the commonest of them in German, Spanish and Chinese. The rules would rather miss a fact than invent one: a fact
invented makes a newer entry pass an older one that it does not replace. So questions, wishes, conditions and tales of
long ago are not read, and places and employers need a capital letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simplemem_service.pipeline.attribute_rules import CHINESE_RULES, HAN, RULES

LONGEST_READ = 2_000
"""Characters of a text that are read; a longer one is a document, not a remark."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of one attribute."""

    subject: str
    """Whom it is about, folded: a name, or a name and a relation such as `ada/sister`."""
    attribute: str
    """Which attribute; empty where only the former value tells ("switched from tea to coffee")."""
    value: str
    """Its value, folded."""
    replaces: str = ""
    """The former value, where the sentence names it."""
    is_change: bool = False
    """Whether the sentence itself says that something changed ("now", "new", "moved")."""


EXCLUSIVE = frozenset({"home", "relationship", "age", "phone", "email", "address"})
"""Attributes of which one has one value at a time; so has every favourite. Of the others, such as employers, a new
value replaces an old one only where the sentence says so."""

_COMPILED = tuple((attribute, re.compile(pattern)) for attribute, pattern in RULES)
_HAS_CJK = re.compile(HAN)
_SENTENCE = re.compile(r"[^.!?\u3002\uff01\uff1f\n]+(?:\.(?=\w)[^.!?\u3002\uff01\uff1f\n]+)*[.!?\u3002\uff01\uff1f]*")
_UNCERTAIN = re.compile(
    r"\b(?:if|wish|would|could|might|maybe|imagine|used\s+to|years\s+ago|decades\s+ago|when\s+I\s+was|as\s+a\s+(?:kid|child)"
    r"|back\s+in|back\s+when|in\s+(?:19|20)\d\d|wenn|falls|fr\u00fcher|si|antes)\b|如果|要是|以前|小时候",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"\b(?:now|nowadays|these\s+days|new|current(?:ly)?|no\s+longer|anymore|jetzt|nun|inzwischen|neue?r?|ahora"
    r"|nuev[oa])\b"
    r"|现在|目前|如今|新",
    re.IGNORECASE,
)
_HINT = re.compile(
    r"\b(?:now|liv(?:es?|ing)|resides?|based|moved|relocated|work(?:s|ing)?|employed|started|job|became|promoted|single|married"
    r"|divorced|engaged|widowed|separated|old|turned|number|e-?mail|address|favou?rite|is|switched|changed|wohn|leb|zog"
    r"|gezogen|umgezogen|arbeite|lieblings|viv[oe]|mud|trabaj|favorit)|住|搬|在|喜欢",
    re.IGNORECASE,
)
_NO_NAMES = frozenset(
    {"he", "she", "they", "we", "you", "it", "this", "that", "there", "who", "what", "so", "and", "but", "then", "also"}
    | {
        "now",
        "today",
        "yes",
        "no",
        "well",
        "my",
        "the",
        "a",
        "our",
        "his",
        "her",
        "their",
        "everyone",
        "someone",
        "one",
    }
)
_QUESTION_MARKS = ("?", "\uff1f")
_SPACE = re.compile(r"\s+")


def find_facts(text: str, speaker: str, persons: Sequence[str] = ()) -> list[Fact]:
    """Facts that a text states, in its order.

    Parameters
    ----------
    text
        What was said, or a self-contained sentence.
    speaker
        Who says "I"; empty where nobody does, and "I" then tells nothing.
    persons
        Names of people, so that Chinese ones are known.
    """
    found: list[Fact] = []
    for sentence in _SENTENCE.findall(text[:LONGEST_READ]):
        is_told = not sentence.rstrip().endswith(_QUESTION_MARKS) and not _UNCERTAIN.search(sentence)
        if is_told and _HINT.search(sentence):
            found += [fact for fact in _read(sentence, speaker, persons) if fact not in found]
    return found


def is_exclusive(attribute: str) -> bool:
    """Whether one has one value of an attribute at a time."""
    return attribute in EXCLUSIVE or attribute.startswith("favourite:")


def _read(sentence: str, speaker: str, persons: Sequence[str]) -> Iterator[Fact]:
    rules: Sequence[tuple[str, re.Pattern[str]]] = _COMPILED
    if _HAS_CJK.search(sentence):
        names = "|".join(re.escape(name) for name in persons if name) or "(?!)"
        rules = [(attribute, re.compile(pattern.format(names=names))) for attribute, pattern in CHINESE_RULES]
    for attribute, pattern in rules:
        for match in pattern.finditer(sentence):
            fact = _fact(attribute, match.groupdict(), speaker, sentence)
            if fact is not None:
                yield fact


def _fact(attribute: str, parts: dict[str, str | None], speaker: str, sentence: str) -> Fact | None:
    subject = _subject(parts, speaker)
    value = _fold(parts.get("value") or "")
    if not subject or not value:
        return None
    former = _fold(parts.get("former") or parts.get("left") or "")
    noun = _fold(parts.get("noun") or "")
    changes = parts.get("change") is not None or _CHANGE.search(sentence) is not None
    return Fact(subject, f"{attribute}:{noun}" if noun else attribute, value, former, changes)


def _subject(parts: dict[str, str | None], speaker: str) -> str:
    """Whom a match is about; empty where that is unclear."""
    me = _fold(speaker)
    who = parts.get("who")
    if who is not None:
        return me if who == "我" else _fold(who)
    name = parts.get("name")
    if name is not None:
        folded = _fold(name)
        return "" if folded.split(" ", 1)[0] in _NO_NAMES else folded
    relation = parts.get("relation")
    return f"{me}/{_fold(relation)}" if relation and me else me


def _fold(text: str) -> str:
    folded = _SPACE.sub(" ", text.strip(" .,'\u2019-")).casefold()
    return folded.removeprefix("the ")

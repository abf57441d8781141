"""Whom "she" or "he" means, where the turns before leave no doubt (pure).

Resolved are English pronouns of one person that go back to one of the two turns before. What they can mean are a
relative, friend or pet with an owner ("my sister", "your dog") and a name that the same turn goes on to call "she" or
"he", or introduces as one ("named Coco"). The antecedent must be the only one there that fits, and meet no rival: no
other person, animal or name. A wrong reference is worse than none, so in every other case nothing is said; "they" and
"it" stay for the language model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simplemem_service.index.analysis import STOP_WORDS
from simplemem_service.index.languages import FUNCTION_WORDS, Language

TURNS_BEFORE = 2
"""Turns in which an antecedent is looked for; one further back has often been replaced by another, unnamed."""
SPEAKERS = 2
"""In talks of more people a pronoun may mean one of those who are present."""

_FEMALE = "mom|mum|mother|mommy|sister|wife|daughter|girlfriend|aunt|grandma|grandmother|granny|niece"
_MALE = "dad|father|daddy|brother|husband|son|boyfriend|uncle|grandpa|grandfather|grandad|nephew"
_EITHER = "cousin|friend|roommate|neighbou?r|boss|manager|mentor|teacher|coach|therapist|dog|cat|puppy|pup|kitten|pet"
_NAME = r"[A-Z][a-z]\w*(?:-\w+)*"
_OWNED = re.compile(
    rf"\b(?:(?P<own>[Mm]y|[Oo]ur)|(?P<other>[Yy]our)|(?P<owner>{_NAME})['\u2019]s)\s+(?:[a-z]+\s+)?"
    rf"(?:(?P<she>{_FEMALE})|(?P<he>{_MALE})|(?P<either>{_EITHER}))\b(?!['\u2019]s\s)(?:,?\s+(?P<called>{_NAME}))?"
)
_INTRODUCED = re.compile(rf"(?:\b\w+\s+)?\b(?:named|called|name\s+is|name['\u2019]s|this\s+is)\s+(?P<called>{_NAME})")
_PRONOUN = re.compile(r"(?<![\w/'\u2019])(?:(?P<she>she|her|hers)|(?P<he>he|him|his))(?![\w/])", re.IGNORECASE)
_RIVAL = re.compile(
    rf"\b(?:{_FEMALE}|{_MALE}|{_EITHER}|partner|fianc\w+|spouse|colleague|co-?worker|instructor|doctor|nurse|counsel+or|kid"
    r"|child|baby|toddler|teen|buddy|pal|guy|man|woman|girl|boy|lady|person|someone|somebody|anyone|owner|artist|singer"
    r"|author|writer|actor|actress|character|hero|musician|player|director|host|chef|model|date|doggo|kitty|bunny|horse"
    r"|turtle|animal|idol|one\s+of|veteran|volunteer|student|survivor|relative|grandparent|ancestor|hubby|sibling|twin)\b",
    re.IGNORECASE,
)
_CAPITALIZED = re.compile(rf"(?<![\w'\u2019]){_NAME}")
_VERB = re.compile(r"['\u2019]s|\s+(?:is|was|has|had|and|looks?|loves?|likes?|said|told|got|makes?|made|gave|taught)\b")
_CAPTION = re.compile(r"\[[^\]]*\]")
_DOUBT = "?"
_COMMON = STOP_WORDS | FUNCTION_WORDS[Language.ENGLISH]


@dataclass(frozen=True, slots=True)
class Reference:
    """A pronoun whose meaning is known."""

    end: int
    """Where the pronoun ends in the text, exclusive."""
    means: str
    """Whom it means: "Ada's sister"."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Somebody whom a pronoun may mean."""

    sex: str
    """`she`, `he`, or empty for either."""
    means: str
    """In words that hold outside of the talk."""
    start: int
    """Where the mention begins."""
    end: int
    """Where it ends, exclusive."""


def find_references(
    text: str, speaker: str, before: Sequence[tuple[str, str]], people: Sequence[str]
) -> list[Reference]:
    """The first pronoun of each sex in a turn, where the turns before tell for certain whom it means.

    Parameters
    ----------
    text, speaker
        The turn.
    before
        Speaker and text of the turns before it in its session, in order.
    people
        Everyone who takes part.
    """
    if len(people) != SPEAKERS or speaker not in people:
        return []
    found: list[Reference] = []
    shown = _CAPTION.sub(lambda match: " " * len(match[0]), text)
    for sex in ("she", "he"):
        pronoun = next((match for match in _PRONOUN.finditer(shown) if match[sex]), None)
        if pronoun is None or _candidates(shown[: pronoun.start()], speaker, people) is not None:
            continue
        means = _only_one(sex, before[-TURNS_BEFORE:], people)
        if means is not None:
            found.append(Reference(pronoun.end(), means))
    return sorted(found, key=lambda one: one.end)


def _only_one(sex: str, before: Sequence[tuple[str, str]], people: Sequence[str]) -> str | None:
    """The only one of a sex whom turns speak of; None in any doubt."""
    meant: dict[str, str] = {}
    for speaker, text in before:
        candidates = _candidates(_CAPTION.sub("", text), speaker, people)
        if candidates is None:
            continue
        if any(one.means == _DOUBT for one in candidates):
            return None
        for one in candidates:
            if one.sex in ("", sex):
                meant[_called(one.means)] = one.means
    return next(iter(meant.values())) if len(meant) == 1 else None


def _called(means: str) -> str:
    """What makes two mentions the same: the name where there is one."""
    last = means.rsplit(maxsplit=1)[-1]
    return last if last[:1].isupper() else means


def _candidates(text: str, speaker: str, people: Sequence[str]) -> list[_Candidate] | None:
    """Whom a text speaks of, `_DOUBT` among them where it cannot be told; None where it speaks of nobody."""
    found = [*_owned(text, speaker, people), *_named(text, people)]
    spans = [(one.start, one.end) for one in found]
    words = (match for pattern in (_RIVAL, _CAPITALIZED) for match in pattern.finditer(text))
    found += [
        _Candidate("", _DOUBT, match.start(), match.end())
        for match in words
        if not any(start <= match.start() < end for start, end in spans) and _is_rival(match, text, people)
    ]
    return found or None


def _owned(text: str, speaker: str, people: Sequence[str]) -> Iterator[_Candidate]:
    """Relatives, friends and pets that somebody calls his own."""
    addressed = next((name for name in people if name != speaker), "") if speaker in people else ""
    for match in _OWNED.finditer(text):
        owner = speaker if match["own"] else addressed if match["other"] else match["owner"]
        sex = "she" if match["she"] else "he" if match["he"] else ""
        noun = (match["she"] or match["he"] or match["either"]).lower()
        called = f" {match['called']}" if match["called"] else ""
        means = f"{owner}'s {noun}{called}" if owner else _DOUBT
        yield _Candidate(sex, means, match.start(), match.end())


def _named(text: str, people: Sequence[str]) -> Iterator[_Candidate]:
    """Names that are introduced as such, or that the text goes on to call "she" or "he"."""
    present = {part for name in people for part in name.split()}
    introduced = {match["called"]: match.start() for match in _INTRODUCED.finditer(text)}
    for match in _CAPITALIZED.finditer(text):
        name = match[0]
        is_plain = name in present or name.casefold() in _COMMON
        if is_plain or (_begins(text, match.start()) and not _is_subject(text, match.end())):
            continue
        pronouns = {"she" if one["she"] else "he" for one in _PRONOUN.finditer(text, match.end())}
        if name in introduced or len(pronouns) == 1:
            sex = pronouns.pop() if len(pronouns) == 1 else ""
            yield _Candidate(sex, name, introduced.get(name, match.start()), match.end())


def _is_rival(match: re.Match[str], text: str, people: Sequence[str]) -> bool:
    """Whether a word may be somebody beside the candidates and those who are present."""
    if match.re is _RIVAL:
        return True
    is_present = any(match[0] in name.split() for name in people)
    if is_present or match[0].casefold() in _COMMON:
        return False
    return not _begins(text, match.start()) or _is_subject(text, match.end())


def _begins(text: str, start: int) -> bool:
    """Whether a sentence begins there."""
    before = text[:start].rstrip()
    return not before or before[-1] in '.!?\u2026\n"-:'


def _is_subject(text: str, end: int) -> bool:
    """Whether a word that begins a sentence is followed by a verb, and so may be a name."""
    return _VERB.match(text, end) is not None

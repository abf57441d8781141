"""Which of two entries that follow each other a question is after, and which of those that repeat each other (pure).

An entry that was superseded is never hidden: a question about now finds the valid one above it, one about a day on
which the old one held finds the old one above the new.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from simplemem_service.models.entry import Entry
from simplemem_service.models.query import Hit
from simplemem_service.pipeline.dates import DateSpan
from simplemem_service.pipeline.fusion import Scores
from simplemem_service.pipeline.question import Question
from simplemem_service.pipeline.sentences import split_sentences
from simplemem_service.pipeline.synthesize import told_at

LONGEST_CHAIN = 8
"""Entries that follow each other that are brought in for one that was found."""
LEAST_LIKENESS = 0.4
"""Share of the other's likeness to the question that an entry must have itself to pass it. An old entry may be found
for something else that it says, which its successor has no part in. In eleven examples with MiniLM a successor that
answers the question had .54 and more, one that does not .33 and less."""
SHORT_WORDS, SHORT_CHARS = 8, 60
"""Words and characters up to which an entry of one sentence says one thing only, so that a question that finds it is
after that."""
STEP = 1e-6
"""How far the entry that holds is put above the other; less than any difference that means something."""

_PAST = re.compile(
    r"\b(?:used\s+to|before|previous(?:ly)?|former(?:ly)?|originally|at\s+first|back\s+then|once|earlier|old|fr\u00fcher"
    r"|vorher|zuvor|ehemalige?n?|antes|anterior(?:mente)?)\b|以前|之前|原来|过去|曾经",
    re.IGNORECASE,
)
_YEAR = re.compile(
    r"\b(?:in|during|since|of|im\s+jahr|en)\s+(?P<year>(?:19|20)\d\d)\b|(?P<nian>(?:19|20)\d\d)\s*年(?!\s*\d)",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Step:
    """An entry and the one that took its place."""

    old: int
    """Place of the superseded one among the candidates."""
    new: int
    """Place of its successor."""
    is_repetition: bool
    """Whether the successor says the same again, or was made of it among others, so that both hold."""


def with_successors(entries: Iterable[Entry], find: Callable[[str], Entry | None]) -> list[Entry]:
    """The entries and those that took their places, so that a question that finds the old one sees the new one, too.

    Parameters
    ----------
    entries
        What was found.
    find
        Looks an entry up by its id; None for one that is gone, or out of scope.
    """
    found = {entry.entry_id: entry for entry in entries}
    for entry in list(found.values()):
        after = entry.superseded_by
        for _ in range(LONGEST_CHAIN):
            successor = find(after) if after and after not in found else None
            if successor is None:
                break
            found[successor.entry_id] = successor
            after = successor.superseded_by
    return list(found.values())


def rate_validity(question: Question, entries: Sequence[Entry], total: Scores, likeness: Scores) -> Scores:
    """What must be added to the scores so that of two entries that follow each other the one asked for comes first.

    Parameters
    ----------
    question
        A date with a year asks for what held then; words such as "used to" or "before" for what held earlier; all
        others for what holds now.
    entries, total
        The candidates and their scores.
    likeness
        How near the best sentence of each is to the question, at most 1.
    """
    steps = _steps(entries)
    added = np.zeros(len(entries))
    named = [*question.dates, *_years(question.meaning)]
    dates = [span for span in named if span.has_year]
    # A day of no year says nothing of when; that entries speak of it counts elsewhere.
    if not steps or (named and not dates):
        return added
    asks_past = _PAST.search(question.meaning) is not None
    pairs = [_order(step, entries, dates, asks_past=asks_past) for step in steps]
    # Along a chain each passes the one before it, which may itself have been raised; a second round settles both ways.
    for first, second in [*pairs, *pairs[::-1]]:
        if first is None:
            continue
        behind = float(total[second] + added[second])
        if _says_one_thing(entries[second]) or likeness[first] >= LEAST_LIKENESS * likeness[second]:
            added[first] = max(added[first], behind + STEP - float(total[first]))
    return added


def rate_recency(entries: Sequence[Entry]) -> Scores:
    """How late each entry was told: its time in days, that of the oldest where nobody said."""
    told = [entry.timestamp or entry.created_at for entry in entries]
    oldest = min((time for time in told if time is not None), default=None)
    if oldest is None:
        return np.zeros(len(entries))
    return np.array([((time or oldest) - oldest).total_seconds() / 86_400 for time in told])


def without_repetitions(hits: Iterable[Hit], top_k: int) -> list[Hit]:
    """The best hits, at most `top_k`; one that says the same as a better one only lends it its sources.

    The same is said by one speaker in the same words, dates included, or in an entry that was found to repeat another.
    """
    kept: dict[str, Hit] = {}
    best_of: dict[object, str] = {}
    for hit in hits:
        keys = _repetition_keys(hit.entry)
        known = next((best_of[key] for key in keys if key in best_of), None)
        if known is None:
            if len(kept) >= top_k:
                break
            known = hit.entry.entry_id
            kept[known] = hit
        else:
            kept[known] = _with_sources(kept[known], hit.entry.sources)
        for key in keys:
            best_of.setdefault(key, known)
    return list(kept.values())


def _steps(entries: Sequence[Entry]) -> list[Step]:
    """Pairs of candidates of which the second took the first's place, the earliest first."""
    places = {entry.entry_id: place for place, entry in enumerate(entries)}
    steps = [
        Step(place, places[entry.superseded_by], is_repetition=entry.valid_until is None)
        for place, entry in enumerate(entries)
        if entry.superseded_by in places
    ]
    return sorted(steps, key=lambda step: (told_at(entries[step.new]), step.old))


def _order(
    step: Step, entries: Sequence[Entry], dates: Sequence[DateSpan], *, asks_past: bool
) -> tuple[int | None, int]:
    """Which of two comes first, and which second; None where the question does not tell."""
    if step.is_repetition and (dates or asks_past):
        return None, step.old
    if not dates:
        return (step.old, step.new) if asks_past else (step.new, step.old)
    held = [any(_held(entries[place], span) for span in dates) for place in (step.old, step.new)]
    if held[0] == held[1]:
        return None, step.old
    return (step.old, step.new) if held[0] else (step.new, step.old)


def _says_one_thing(entry: Entry) -> bool:
    is_short = len(entry.text) <= SHORT_CHARS and len(entry.text.split()) <= SHORT_WORDS
    return is_short and len(split_sentences(entry.text)) == 1


def _held(entry: Entry, span: DateSpan) -> bool:
    """Whether an entry held on one of the days; on the day of a change, what came holds and what went does not."""
    since, until = _day(entry.valid_from), _day(entry.valid_until)
    return (since is None or since <= span.last) and (until is None or until > span.first)


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


def _years(text: str) -> list[DateSpan]:
    """Years named alone."""
    found: list[DateSpan] = []
    for match in _YEAR.finditer(text):
        year = int(match["year"] or match["nian"])
        found.append(DateSpan(date(year, 1, 1), date(year, 12, 31), match.start(), match.end()))
    return found


def _repetition_keys(entry: Entry) -> tuple[object, ...]:
    words = tuple(_WORD.findall(entry.lossless_restatement.casefold()))
    same = (entry.user_id, entry.speaker, words)
    repeated = entry.superseded_by if entry.valid_until is None else None
    return (same, entry.entry_id) if repeated is None else (same, entry.entry_id, repeated)


def _with_sources(hit: Hit, sources: Sequence[str]) -> Hit:
    merged = tuple(dict.fromkeys((*hit.entry.sources, *sources)))
    return replace(hit, entry=replace(hit.entry, sources=merged))

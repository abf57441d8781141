"""What language models reply, checked before anything rests on it (pure).

A reply is as trustworthy as the conversation it was made of, so everything in it is bounded, every number must be one
that was given, and a restatement must share words with what it claims to restate.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from simplemem_service.index.analysis import question_terms, tokenize
from simplemem_service.models.entry import Turn
from simplemem_service.pipeline.prompts import MOST_QUERIES, MOST_SOURCES

ENTRIES_PER_TURN = 4
"""Entries that a window may have for each of its turns."""
RESTATEMENT_MAX_CHARS = 2_000
"""Longest restatement, in characters."""
NAME_MAX_CHARS = 200
"""Longest name, keyword or place, in characters; longer ones are left out."""
NAMES_MAX = 32
"""Names of a kind that one entry keeps."""
QUERY_MAX_CHARS = 500
"""Longest question that a model may ask, in characters."""
ERROR_MAX_CHARS = 600
"""Length of the error that is shown to the model, in characters."""
ERRORS_SHOWN = 5
"""Errors of one reply that are shown to the model."""


class InvalidReplyError(ValueError):
    """A reply cannot be used; the message is for the model."""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _known_time(value: object) -> object:
    """A time in ISO 8601; anything else counts as unknown, since the restatement tells it in words."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value.strip())
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _name(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = _one_line(value)
    return text if 0 < len(text) <= NAME_MAX_CHARS else None


def _names(values: list[str]) -> list[str]:
    texts = [_one_line(value) for value in values]
    return list(dict.fromkeys(text for text in texts if 0 < len(text) <= NAME_MAX_CHARS))[:NAMES_MAX]


Names = Annotated[list[str], AfterValidator(_names)]
Restatement = Annotated[str, AfterValidator(_one_line), Field(min_length=1, max_length=RESTATEMENT_MAX_CHARS)]


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class EntryReply(_Reply):
    """One entry as a model wrote it."""

    sources: Annotated[list[int], Field(min_length=1, max_length=MOST_SOURCES)]
    """Numbers of the turns it was made of, counted from 1."""
    lossless_restatement: Restatement
    """The self-contained sentence."""
    keywords: Names = Field(default_factory=list)
    """Telling words."""
    timestamp: Annotated[datetime | None, BeforeValidator(_known_time)] = None
    """When the fact happened or begins to hold, aware, UTC."""
    location: Annotated[str | None, BeforeValidator(_name)] = None
    """Where."""
    persons: Names = Field(default_factory=list)
    """People named or speaking."""
    entities: Names = Field(default_factory=list)
    """Other named things."""


class WindowReply(_Reply):
    """The entries of a window."""

    entries: list[EntryReply]
    """In the model's order."""


class PlanReply(_Reply):
    """The searches of a plan."""

    queries: list[str]
    """Questions to search with."""


class ReflectReply(_Reply):
    """The judgement of what was found."""

    ranking: list[int]
    """Numbers of what helps, most helpful first."""
    sufficient: bool
    """Whether it is enough."""
    follow_up: str | None = None
    """What to search for next."""


Model = TypeVar("Model", bound=_Reply)


def parse_window(text: str, turns: Sequence[Turn], context: str) -> WindowReply:
    """The entries in a reply. Raises `InvalidReplyError`.

    Parameters
    ----------
    text
        The reply.
    turns
        The turns it is about.
    context
        What was said before them; restatements may take words from it.
    """
    reply = _parse(WindowReply, text)
    if len(reply.entries) > ENTRIES_PER_TURN * len(turns):
        raise InvalidReplyError(f"{len(reply.entries)} entries for {len(turns)} turns are too many")
    before = _words(context)
    spoken = [_words(f"{turn.speaker} {turn.text}") for turn in turns]
    for place, entry in enumerate(reply.entries):
        _check_sources(place, entry.sources, len(turns))
        known = before.union(*(spoken[number - 1] for number in entry.sources))
        # A turn may be a picture or a smile, with no word that a restatement could share.
        if known and known.isdisjoint(question_terms(entry.lossless_restatement)):
            raise InvalidReplyError(
                f"entries[{place}].lossless_restatement shares no word with the turns it cites; restate what they say"
            )
    return reply


def parse_plan(text: str) -> tuple[str, ...]:
    """The questions in a reply, at most `MOST_QUERIES`. Raises `InvalidReplyError`."""
    queries = (_one_line(query)[:QUERY_MAX_CHARS] for query in _parse(PlanReply, text).queries)
    return tuple(dict.fromkeys(query for query in queries if query))[:MOST_QUERIES]


def parse_reflection(text: str, found: int) -> ReflectReply:
    """The judgement in a reply about `found` numbered lines. Raises `InvalidReplyError`."""
    reply = _parse(ReflectReply, text)
    wrong = [number for number in reply.ranking if not 1 <= number <= found]
    if wrong:
        raise InvalidReplyError(f"ranking: {wrong[0]} is none of the numbers 1 to {found}")
    follow_up = _one_line(reply.follow_up or "")[:QUERY_MAX_CHARS]
    return reply.model_copy(update={"ranking": list(dict.fromkeys(reply.ranking)), "follow_up": follow_up or None})


def _check_sources(place: int, sources: Sequence[int], turns: int) -> None:
    for number in sources:
        if not 1 <= number <= turns:
            raise InvalidReplyError(f"entries[{place}].sources: {number} is none of the turns 1 to {turns}")


def _words(text: str) -> set[str]:
    return set(tokenize(text))


def _parse(kind: type[Model], text: str) -> Model:
    try:
        document: Any = json.loads(_unfenced(text))
    except (ValueError, RecursionError) as error:
        raise InvalidReplyError(f"not valid JSON: {error}"[:ERROR_MAX_CHARS]) from error
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[:ERRORS_SHOWN]
        lines = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in found]
        raise InvalidReplyError("; ".join(lines)[:ERROR_MAX_CHARS]) from error


def _unfenced(text: str) -> str:
    """The text without the Markdown fence that some models put around JSON."""
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```"):
        return stripped.split("\n", 1)[-1].removesuffix("```")
    return stripped

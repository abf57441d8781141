"""A conversation as text becomes turns: pure.

`[time] Speaker: text` starts a turn, the time being optional; a line that starts none continues the turn before it.
Text before the first speaker is what the user says.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from simplemem_service.constants import ID_MAX_CHARS, TEXT_MAX_CHARS
from simplemem_service.models.operation import GivenTurn

DEFAULT_SPEAKER = "user"
"""Who says what no speaker is named for."""

_LINE = re.compile(
    r"""
    \s*
    (?: \[ (?P<time> [^\]\n]{4,40} ) \] \s* )?
    (?: (?P<speaker> [^\W\d_] [^:\[\]{}()<>\"/\n]{0,39}? ) \s* [:\uff1a] (?: \s+ | $ | (?<=\uff1a) ) )?
    (?P<text> .* )
    """,
    re.VERBOSE | re.DOTALL,
)
_TOO_MANY_WORDS = 4
"""Words in front of a colon from which it is a sentence's, not a speaker's."""


def parse_conversation(text: str) -> list[GivenTurn]:
    """The turns of a conversation; at least one unless the text is blank. Longer turns than one may be are split."""
    turns: list[GivenTurn] = []
    for line in text.splitlines():
        if line.strip():
            _add_line(turns, line)
    return [part for turn in turns for part in _split(turn)]


def _add_line(turns: list[GivenTurn], line: str) -> None:
    match = _LINE.fullmatch(line)
    time = _parse_time(match["time"]) if match and match["time"] else None
    speaker = (match["speaker"] or "").strip() if match else ""
    if match is None or (match["time"] and time is None) or len(speaker.split()) > _TOO_MANY_WORDS:
        time, speaker, words = None, "", line.strip()
    else:
        words = match["text"].strip()
    if speaker or time is not None or not turns:
        turns.append(GivenTurn(speaker=speaker[:ID_MAX_CHARS] or DEFAULT_SPEAKER, text=words, timestamp=time))
    else:
        last = turns[-1]
        joined = f"{last.text}\n{words}" if last.text else words
        turns[-1] = GivenTurn(speaker=last.speaker, text=joined, timestamp=last.timestamp)


def _parse_time(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text.strip())
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _split(turn: GivenTurn) -> list[GivenTurn]:
    """The turn in pieces of the length that a turn may have; none where it says nothing."""
    pieces = [turn.text[start : start + TEXT_MAX_CHARS] for start in range(0, len(turn.text), TEXT_MAX_CHARS)]
    return [GivenTurn(speaker=turn.speaker, text=piece, timestamp=turn.timestamp) for piece in pieces if piece.strip()]

"""Lines of an export, which an import takes: NDJSON, one object a line. Pure.

    {"kind": "turn", "id": ..., "user_id": ..., "session_id": ..., "speaker": ..., "text": ..., "timestamp": ...}
    {"kind": "entry", "entry_id": ..., "lossless_restatement": ..., ...}
    {"kind": "checkpoint", "after": ..., "turns": 200, "entries": 0, "sha256": ...}
    {"kind": "end", "turns": 2, "entries": 2, "sha256": ...}

Turns come first, then entries, each in the order of the store. After each page stands a checkpoint, whose `after`
continues the export behind it. `sha256` is a chain, so that it can be continued and checked page by page: the digest in
hexadecimal of the checkpoint before (the empty text at first), followed by the lines since then with their line ends.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from simplemem_service import constants
from simplemem_service.api.change_schemas import EntryIn
from simplemem_service.api.schemas import EntryOut, Id, Time, Wire, format_time
from simplemem_service.errors import ImportLineError
from simplemem_service.ingest.identity import KEY_CHARS, digest
from simplemem_service.models.entry import Entry, Turn
from simplemem_service.models.operation import GivenEntry, GivenTurn

_ENTRY_EXTRAS = ("speaker", "text", "compressed_by")
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
WORDS_MAX = 2_000_000
"""Characters of an entry's words: an entry made of several turns is longer than any of them."""
Words = Annotated[str, Field(min_length=1, max_length=WORDS_MAX)]
Members = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=4_096)], ...], Field(max_length=10_000)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class TurnLine(Wire):
    """A turn as it was said."""

    kind: Literal["turn"]
    """What the line is."""
    id: Id | None = None
    """The caller's id."""
    key: Annotated[str, Field(pattern=rf"^[0-9a-f]{{{KEY_CHARS}}}$")] | None = None
    """Its key in the store it comes from, so that importing it there changes nothing."""
    user_id: Id | None = None
    """Whose memory."""
    session_id: Id = constants.DEFAULT_SESSION
    """Which conversation."""
    speaker: Id
    """Who said it."""
    text: Annotated[str, Field(min_length=1, max_length=constants.TEXT_MAX_CHARS)]
    """What was said."""
    timestamp: Time | None = None
    """When."""
    dropped_density: Annotated[float, Field(ge=-1, le=1_000)] | None = None
    """Density for which it was dropped."""

    def to_model(self, user_id: str, number: int) -> GivenTurn:
        """The turn as the service works with it; where nothing else tells it from others, its line does."""
        key = self.key
        if key is None and self.id is None and self.timestamp is None:
            key = digest("import", user_id, self.session_id, self.speaker, self.text, str(number))[:KEY_CHARS]
        return GivenTurn(self.speaker, self.text, self.id, self.timestamp, key, self.dropped_density)


class EntryLine(EntryIn):
    """A memory."""

    kind: Literal["entry"]
    """What the line is."""
    entry_id: Id | None = None
    """Its id."""
    lossless_restatement: Words
    """The self-contained sentence."""
    text: Annotated[str, Field(max_length=WORDS_MAX)] = ""
    """The words that are searched; none: the sentence."""
    keywords: Members = ()
    """Content words; none: picked from the text."""
    persons: Members = ()
    """People named; none: picked from the text."""
    entities: Members = ()
    """Other named things; none: picked from the text."""
    sources: Members = ()
    """Ids of turns it was made of."""
    user_id: Id | None = None
    """Whose memory."""
    session_id: Id | None = constants.DEFAULT_SESSION
    """Which conversation."""
    superseded_by: Id | None = None
    """The entry that replaced it."""
    created_at: Time | None = None
    """When it was first written."""
    compressed_by: Annotated[str, Field(max_length=constants.ID_MAX_CHARS)] | None = None
    """Who made it."""

    def to_model(self) -> GivenEntry:
        """The entry as the service works with it."""
        names = type(self).model_fields.keys() - {"kind", "user_id"}
        return GivenEntry(**{name: getattr(self, name) for name in names})


class CheckpointLine(Wire):
    """The end of a page, checked by its digest."""

    kind: Literal["checkpoint"]
    """What the line is."""
    after: Annotated[str, Field(max_length=1_024)]
    """What continues the export here."""
    turns: Count
    """Turns so far."""
    entries: Count
    """Entries so far."""
    sha256: Digest
    """The chain so far."""


class EndLine(Wire):
    """The end of an export."""

    kind: Literal["end"]
    """What the line is."""
    turns: Count
    """Turns in all."""
    entries: Count
    """Entries in all."""
    sha256: Digest
    """The chain of all lines."""


Line = TurnLine | EntryLine | CheckpointLine | EndLine
_LINES: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])
_KINDS = frozenset({"turn", "entry", "checkpoint", "end"})


def encode_turns(turns: Sequence[Turn]) -> bytes:
    """Turns as lines."""
    return b"".join(_encode_turn(turn) for turn in turns)


def encode_entries(entries: Sequence[Entry]) -> bytes:
    """Entries as lines."""
    return b"".join(_encode_entry(entry) for entry in entries)


def encode_line(fields: dict[str, Any]) -> bytes:
    """An object as a line with its end."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def parse_line(raw: bytes, number: int) -> Line:
    """What a line says. Raises `ImportLineError`, which names line and field."""
    try:
        return _LINES.validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = [part for part in first["loc"] if part not in _KINDS]
        field = ".".join(str(part) for part in place) or "line"
        if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
            field, reason = "kind", f"must be one of {', '.join(sorted(_KINDS))}"
        else:
            reason = "no such field" if first["type"] == "extra_forbidden" else str(first["msg"])
        raise ImportLineError(number, field, reason) from error


class Chain:
    """The running digest of an export.

    Parameters
    ----------
    before
        The digest of the checkpoint before, in hexadecimal; empty at the beginning.
    """

    def __init__(self, before: str = "") -> None:
        self._digest = hashlib.sha256(before.encode())

    def add(self, data: bytes) -> None:
        """Take up lines with their ends."""
        self._digest.update(data)

    @property
    def value(self) -> str:
        """The digest of everything so far."""
        return self._digest.hexdigest()

    def restart(self) -> str:
        """The digest so far, from which the next page goes on."""
        value = self.value
        self._digest = hashlib.sha256(value.encode())
        return value


def _encode_turn(turn: Turn) -> bytes:
    fields: dict[str, Any] = {
        "kind": "turn",
        "id": turn.id,
        "user_id": turn.user_id,
        "session_id": turn.session_id,
        "speaker": turn.speaker,
        "text": turn.text,
        "timestamp": format_time(turn.timestamp) if turn.timestamp else None,
        "key": turn.key,
    }
    if turn.dropped_density is not None:
        fields["dropped_density"] = turn.dropped_density
    return encode_line(fields)


def _encode_entry(entry: Entry) -> bytes:
    fields = {"kind": "entry"} | EntryOut.of(entry).model_dump(mode="json")
    return encode_line(fields | {name: getattr(entry, name) for name in _ENTRY_EXTRAS})

"""Conversations in files: text, or JSON lines, as bodies of POST /v1/turns."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from simplemem_api import exits
from simplemem_service.commands.errors import CommandError
from simplemem_service.ingest.raw_text import parse_conversation

BATCH_TURNS = 100
"""Turns of one request, so that the bar moves."""
BATCH_CHARS = 1_000_000
"""Characters of one request, well below the limit of a body."""
FIELDS = {"id", "speaker", "text", "timestamp", "session_id", "user_id"}


def open_input(name: str) -> IO[str]:
    """A file, or standard input for -. Raises `CommandError`."""
    if name == "-":
        return sys.stdin
    try:
        return Path(name).open(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}", exits.USAGE) from error


def read_turns(source: IO[str], name: str, kind: str) -> Iterator[dict[str, Any]]:
    """Turns as JSON objects, each with an id, so that the same file again changes nothing. Raises `CommandError`."""
    stem = "stdin" if name == "-" else Path(name).name
    try:
        first = next(iter(source), "")
        if kind == "auto":
            kind = "jsonl" if first.lstrip().startswith("{") else "text"
        found = _json_turns(first, source, name) if kind == "jsonl" else _text_turns(first, source)
        for number, turn in enumerate(found, start=1):
            yield {"id": f"{stem}:{number}"} | turn
    except UnicodeDecodeError as error:
        raise CommandError(f"{name}: not UTF-8 text", exits.USAGE) from error


def batches(turns: Iterable[dict[str, Any]], user: str | None, session: str) -> Iterator[dict[str, Any]]:
    """Bodies of POST /v1/turns: runs of one user and session, in order."""
    place: tuple[str | None, str] | None = None
    batch: list[dict[str, Any]] = []
    size = 0
    for turn in turns:
        where = (turn.pop("user_id", None) or user, turn.pop("session_id", None) or session)
        if batch and (where != place or len(batch) >= BATCH_TURNS or size >= BATCH_CHARS):
            yield _body(place, batch)
            batch, size = [], 0
        place = where
        batch.append(turn)
        size += len(str(turn.get("text", "")))
    if batch:
        yield _body(place, batch)


def _body(place: tuple[str | None, str] | None, batch: list[dict[str, Any]]) -> dict[str, Any]:
    user, session = place or (None, "")
    return {"session_id": session, "turns": batch} | ({"user_id": user} if user else {})


def _text_turns(first: str, source: IO[str]) -> Iterator[dict[str, Any]]:
    for turn in parse_conversation(first + source.read()):
        fields: dict[str, Any] = {"speaker": turn.speaker, "text": turn.text}
        if turn.timestamp is not None:
            fields["timestamp"] = turn.timestamp.isoformat()
        yield fields


def _json_turns(first: str, source: IO[str], name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate((first, *source) if first else source, start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except ValueError as error:
            raise CommandError(f"{name}: line {number}: not JSON: {error}", exits.USAGE) from error
        if not isinstance(fields, dict) or not {"speaker", "text"} <= fields.keys() or fields.keys() - FIELDS:
            told = f"must be an object with speaker and text, and may have {', '.join(sorted(FIELDS))}"
            raise CommandError(f"{name}: line {number}: {told}", exits.USAGE)
        yield {key: value for key, value in fields.items() if value is not None}

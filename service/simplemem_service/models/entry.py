"""What is remembered: the turns as they were said and the entries made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
"""A unit vector of shape (dimension,), float32."""

CANARY_USER = "simplemem:canary"
"""Owner of the turns that prove the write path; no caller may name it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance of a conversation, as it was accepted."""

    key: str
    """Content-derived identity (hex); the same turn sent twice has the same key, so a replay changes nothing."""
    id: str
    """The caller's id of the turn, or `key` where the caller gave none; what `sources` of an entry list."""
    user_id: str
    """Whose memory it belongs to."""
    session_id: str
    """The conversation it was said in."""
    speaker: str
    """Name of who said it."""
    text: str
    """What was said, unchanged."""
    timestamp: datetime | None
    """When it was said, aware, UTC; None where the caller gave none."""
    received_at: datetime
    """When the service accepted it, aware, UTC."""
    position: int | None = None
    """Order of the turn within the store, never reused; None until it is kept."""
    dropped_density: float | None = None
    """Density of its window, for which it was dropped; None where entries were made of it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One self-contained memory, searchable by meaning, words and metadata."""

    entry_id: str
    """UUID derived from the turns and the way they were compressed, so that a replay writes the same row."""
    user_id: str
    """Whose memory it belongs to."""
    session_id: str
    """The conversation it was made of."""
    position: int
    """Order of the entry within the store; grows with every entry, never reused. Neighbours in a session are
    neighbours by position."""
    speaker: str
    """Who said it; empty where an entry speaks of several."""
    text: str
    """The words of the source turns, unchanged; what the lexical view reads."""
    lossless_restatement: str
    """The self-contained sentence: speaker named, dates absolute."""
    keywords: tuple[str, ...] = ()
    """Content words of the entry, lower case, most telling first."""
    timestamp: datetime | None = None
    """When the event was told, aware, UTC."""
    location: str | None = None
    """Where it happened, if the text says."""
    persons: tuple[str, ...] = ()
    """People named or speaking."""
    entities: tuple[str, ...] = ()
    """Other named things."""
    sources: tuple[str, ...] = ()
    """Ids of the turns it was made of."""
    valid_from: datetime | None = None
    """Since when the fact holds."""
    valid_until: datetime | None = None
    """Until when it held; None while it holds."""
    superseded_by: str | None = None
    """The entry that replaced it."""
    created_at: datetime | None = None
    """When the row was written, aware, UTC."""
    compressed_by: str | None = None
    """Who made it: `rules`, `rules:degraded` (a language model should have, and failed) or `llm:<model>`; None where an
    older version wrote it."""


@dataclass(frozen=True, slots=True)
class EmbeddedEntry:
    """An entry with its vectors, as the table stores it."""

    entry: Entry
    """What is remembered."""
    embedding: Vector
    """Dense vector of the entry in its context (the two turns before it and itself); unit length, shape (d,)."""
    sentences: tuple[Vector, ...] = field(default=())
    """Dense vectors of the entry's sentences, unit length, shape (d,) each; at least one."""


Said = TypeVar("Said", Turn, Entry)


def group_by_session(said: Iterable[Said]) -> list[list[Said]]:
    """Turns or entries of each session, in the order given; session ids are a user's own."""
    sessions: dict[tuple[str, str], list[Said]] = {}
    for one in said:
        sessions.setdefault((one.user_id, one.session_id), []).append(one)
    return list(sessions.values())

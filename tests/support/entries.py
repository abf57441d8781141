"""Makers of turns and entries for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from simplemem_service.models.entry import EmbeddedEntry, Entry, Turn, Vector
from simplemem_service.models.operation import GivenTurn, JournaledOperation, Operation

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def unit_vector(seed: int, dimension: int = 8) -> Vector:
    vector = np.random.default_rng(seed).normal(size=dimension)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def make_entry(position: int, **fields: Any) -> EmbeddedEntry:
    entry = Entry(
        entry_id=f"entry-{position:06d}",
        user_id="ada",
        session_id="monday",
        position=position,
        speaker="Ada",
        text=f"text {position}",
        lossless_restatement=f"Ada: text {position}",
        keywords=("text",),
        timestamp=NOON + timedelta(minutes=position),
        persons=("Ada",),
        sources=(f"turn-{position}",),
        created_at=NOON,
        compressed_by="rules",
    )
    vectors = tuple(unit_vector(100 * position + n) for n in range(1 + position % 3))
    changed = replace(entry, **fields)
    if "lossless_restatement" not in fields:
        changed = replace(changed, lossless_restatement=f"{changed.speaker}: {changed.text}")
    return EmbeddedEntry(changed, unit_vector(position), vectors)


def make_turn(number: int, **fields: Any) -> Turn:
    turn = Turn(
        key=f"key-{number:06d}",
        id=f"turn-{number}",
        user_id="ada",
        session_id="monday",
        speaker="Ada",
        text=f"text {number}",
        timestamp=NOON,
        received_at=NOON,
        position=number,
    )
    return replace(turn, **fields)


def make_operation(texts: Sequence[str], user: str = "ada", session: str = "monday", **fields: Any) -> Operation:
    turns = tuple(GivenTurn(speaker="Ada", text=text) for text in texts)
    return replace(Operation(user, session, turns, NOON), **fields)


def accepted(operation: Operation, operation_id: str = "1-a-1-1.0") -> JournaledOperation:
    return JournaledOperation(operation_id, operation)

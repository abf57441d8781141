"""Content-derived identity of turns and given entries: what makes a replay of the journal change nothing."""

from __future__ import annotations

import hashlib
import json
import uuid

from simplemem_service.models.entry import Turn
from simplemem_service.models.operation import GivenEntry, GivenTurn, JournaledOperation

KEY_CHARS = 32
"""Length of a turn's key: 128 bits in hexadecimal, so that no two turns of any store meet by chance."""
GIVEN_NAMESPACE = uuid.UUID("0b5a4c1e-7c0f-5b8f-8a57-2f4f5f0f6b11")
"""Namespace of the ids of entries that were given; never to be changed, or the same entry would be written twice."""


def digest(*parts: str) -> str:
    """SHA-256 of texts, in hexadecimal; ("a", "bc") and ("ab", "c") differ."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()


def owner_digest(user_id: str) -> str:
    """What a finished operation says of whose it is, without naming the user."""
    return digest("owner", user_id)[:KEY_CHARS]


def identify_turns(accepted: JournaledOperation) -> list[Turn]:
    """The turns of an operation with their keys, the same at every reading of the journal.

    A turn with the caller's id is the same as another with that id and text in its session; one with a time is the
    same as another of that speaker, text and time; one with neither is only ever itself, as is its operation's
    retry under the same Idempotency-Key. One that comes from another store keeps the key it has there.
    """
    operation = accepted.operation
    return [_identify(turn, index, accepted) for index, turn in enumerate(operation.turns)]


def _identify(turn: GivenTurn, index: int, accepted: JournaledOperation) -> Turn:
    operation = accepted.operation
    place = (operation.user_id, operation.session_id)
    if turn.id is not None:
        key = digest("id", *place, turn.id, turn.speaker, turn.text)
    elif turn.timestamp is not None:
        key = digest("time", *place, turn.speaker, turn.text, turn.timestamp.isoformat())
    else:
        key = digest("place", operation.idempotency or accepted.operation_id, str(index))
    key = turn.key or key[:KEY_CHARS]
    return Turn(
        key=key,
        id=turn.id if turn.id is not None else key,
        user_id=operation.user_id,
        session_id=operation.session_id,
        speaker=turn.speaker,
        text=turn.text,
        timestamp=turn.timestamp,
        received_at=operation.received_at,
        dropped_density=turn.dropped_density,
    )


def identify_entry(user_id: str, given: GivenEntry, session_id: str) -> str:
    """Id of an entry as it is given: its own, or one that follows from whose, where, when and what, so that the same
    entry given again is the same. `session_id` is the operation's, for an entry that names none.
    """
    if given.entry_id is not None:
        return given.entry_id
    told = given.timestamp.isoformat() if given.timestamp else ""
    words = (given.speaker, given.lossless_restatement, given.text)
    return str(uuid.uuid5(GIVEN_NAMESPACE, digest("entry", user_id, given.session_id or session_id, told, *words)))

"""What a batch of operations asks for, worked out before anything is compressed: pure.

A turn counts once: one that is already kept, or that came earlier in the same batch, is dropped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from simplemem_service.ingest.identity import identify_turns
from simplemem_service.models.entry import EmbeddedEntry, Turn
from simplemem_service.models.operation import JournaledOperation

SessionKey = tuple[str, str]
"""User and session."""


@dataclass(frozen=True, slots=True)
class PlannedOperation:
    """An operation with those of its turns that are new."""

    accepted: JournaledOperation
    """The operation."""
    turns: tuple[Turn, ...]
    """Turns to compress, in order."""

    @property
    def operation_id(self) -> str:
        """Its id."""
        return self.accepted.operation_id

    @property
    def given(self) -> int:
        """Turns that the request held."""
        return len(self.accepted.operation.turns)


@dataclass(slots=True)
class SessionPlan:
    """What is to be compressed of one session, in order."""

    user_id: str
    """Whose memory."""
    session_id: str
    """Which conversation."""
    operations: list[PlannedOperation] = field(default_factory=list)
    """Its operations, in order."""

    @property
    def turns(self) -> list[Turn]:
        """All turns to compress, in order."""
        return [turn for operation in self.operations for turn in operation.turns]


def identify(operations: Sequence[JournaledOperation]) -> list[tuple[JournaledOperation, list[Turn]]]:
    """Each operation with its turns and their keys."""
    return [(operation, identify_turns(operation)) for operation in operations]


def plan_sessions(
    identified: Iterable[tuple[JournaledOperation, Sequence[Turn]]], known: frozenset[str]
) -> list[SessionPlan]:
    """What to compress, by session, sessions in the order of their first operation.

    Parameters
    ----------
    identified
        Operations in the order of the journal, with their turns.
    known
        Keys of turns that are already kept.
    """
    seen = set(known)
    plans: dict[SessionKey, SessionPlan] = {}
    for accepted, turns in identified:
        operation = accepted.operation
        fresh: list[Turn] = []
        for turn in turns:
            if turn.key not in seen:
                seen.add(turn.key)
                fresh.append(turn)
        place = (operation.user_id, operation.session_id)
        plan = plans.setdefault(place, SessionPlan(*place))
        plan.operations.append(PlannedOperation(accepted, tuple(fresh)))
    return list(plans.values())


def number_entries(entries: Iterable[EmbeddedEntry], first: int, now: datetime) -> list[EmbeddedEntry]:
    """The entries at consecutive positions, stamped with the time of writing."""
    return [
        replace(item, entry=replace(item.entry, position=position, created_at=now))
        for position, item in enumerate(entries, start=first)
    ]


def number_turns(turns: Iterable[Turn], first: int) -> list[Turn]:
    """The turns at consecutive positions."""
    return [replace(turn, position=position) for position, turn in enumerate(turns, start=first)]


def count_entries(plan: SessionPlan, entries: Iterable[EmbeddedEntry]) -> dict[str, int]:
    """Entries of each operation; an entry of several counts for the one with its last turn."""
    owners = {turn.id: operation.operation_id for operation in plan.operations for turn in operation.turns}
    counts = dict.fromkeys((operation.operation_id for operation in plan.operations), 0)
    for item in entries:
        owner = owners.get(item.entry.sources[-1]) if item.entry.sources else None
        if owner is not None:
            counts[owner] += 1
    return counts

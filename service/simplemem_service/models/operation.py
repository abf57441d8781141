"""A request to remember, from acceptance to its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class OperationState(StrEnum):
    """How far an operation has come."""

    PENDING = "Pending"
    """Durable, not begun."""
    RUNNING = "Running"
    """Being compressed, or written and not yet searchable here."""
    SUCCEEDED = "Succeeded"
    """Searchable."""
    FAILED = "Failed"
    """Ended by an error; its turns stay in the journal."""


@dataclass(frozen=True, slots=True)
class GivenTurn:
    """A turn as the caller gave it."""

    speaker: str
    """Name of who said it."""
    text: str
    """What was said, unchanged."""
    id: str | None = None
    """The caller's id, if given."""
    timestamp: datetime | None = None
    """When it was said, aware, UTC; None if not given."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Turns of one session that were accepted by one request."""

    user_id: str
    """Whose memory."""
    session_id: str
    """Which conversation."""
    turns: tuple[GivenTurn, ...]
    """What was said, in order."""
    received_at: datetime
    """When the request came, aware, UTC."""
    idempotency: str = ""
    """Hash of caller and Idempotency-Key; empty without one."""


@dataclass(frozen=True, slots=True)
class JournaledOperation:
    """An operation with the id under which it is durable."""

    operation_id: str
    """Segment and place within it."""
    operation: Operation
    """What was accepted."""


@dataclass(frozen=True, slots=True)
class OperationResult:
    """How an operation ended."""

    state: OperationState
    """Succeeded or Failed."""
    turns: int
    """Turns given."""
    entries: int = 0
    """Entries made of them."""
    dropped: int = 0
    """Turns that the density filter dropped."""
    version: int = 0
    """Version of the table of entries that holds them."""
    error: str = ""
    """Why it failed; empty otherwise."""


@dataclass(frozen=True, slots=True)
class OperationStatus:
    """What is known of an operation."""

    operation_id: str
    """Its id."""
    state: OperationState
    """How far it has come."""
    turns: int
    """Turns given."""
    result: OperationResult | None = None
    """How it ended, once it has."""

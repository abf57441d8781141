"""What an entry was before it changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from simplemem_service.models.entry import Entry


class ChangeKind(StrEnum):
    """What happened to an entry."""

    EDITED = "Edited"
    """A caller set some of its fields."""
    SUPERSEDED = "Superseded"
    """A newer entry took its place."""
    MERGED = "Merged"
    """It was merged with others into a new entry."""
    RESTORED = "Restored"
    """An earlier change was taken back, or the entry that took its place was removed."""
    DELETED = "Deleted"
    """It was removed; what it said is kept nowhere."""


@dataclass(frozen=True, slots=True)
class Revision:
    """An entry as it was until one change."""

    entry_id: str
    """Which entry."""
    user_id: str
    """Whose memory."""
    changed_at: datetime
    """When it was changed, aware, UTC."""
    cause: str
    """Id of the operation or synthesis that changed it; an entry has one revision a cause, however often the cause is
    replayed."""
    change: ChangeKind
    """What happened."""
    before: Entry | None
    """The entry until then; None where it was removed."""

"""A request to change what is remembered, from acceptance to its end.

Everything that changes data is an `Operation`: it is appended to the journal, answered with its id once it is durable,
and applied by the one writer in the order of the journal. What it does follows from its payload; `kind` names it.

    payload               kind         does
    none                  Turns        compress the operation's `turns`
    EntriesPayload        Entries      write entries as they are given, embedded here; one that is there stays as it is.
                                       The operation's `turns`, those of an import, are kept beside them as they are
    EditPayload           Edit         change fields of one entry; the former row goes to its history
    DeletePayload         Delete       remove entries, the turns that only they cite, and their histories
    ErasePayload          Erase        remove everything of the operation's user
    SynthesizePayload     Synthesize   look again for entries of the user that supersede each other
    UndoPayload           Undo         take back what one operation or synthesis did to existing entries
    RecompressPayload     Recompress   bring back dropped turns of the user that the threshold of today would keep
    CanaryPayload         Canary       remove what a check of the write path wrote; nobody's words, so without a receipt
    ReembedPayload        Reembed      begin to make the vectors of all users' entries by another model, or go back

An operation concerns one user: an entry of somebody else is as good as absent (an edit of it ends Failed, "entry '...'
does not exist"). For a request:

    entry = GivenEntry(lossless_restatement="Ada lives in Rome.", persons=("Ada",))
    operation = Operation(user_id, session_id, (), now, payload=EntriesPayload((entry,)))
    operation_id = await journal.append(operation)          # or append_once, as for turns
    entry_id = identify_entry(user_id, entry, session_id)   # ingest/identity.py; known before it is applied

`journal.read_operation(operation_id)` then tells state and result as for turns: `result.entries` were written,
`unchanged` were there, `deleted` removed, and `receipt` says when a removal is physical.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from simplemem_service.models.density import Density
from simplemem_service.models.entry import CANARY_USER


class OperationState(StrEnum):
    """How far an operation has come."""

    PENDING = "Pending"
    """Durable, not begun."""
    RUNNING = "Running"
    """Being applied, or written and not yet searchable here."""
    SUCCEEDED = "Succeeded"
    """Searchable, or searched for in vain where it was removed."""
    FAILED = "Failed"
    """Ended by an error; its turns stay in the journal."""


class OperationKind(StrEnum):
    """What an operation does; the module says more."""

    TURNS = "Turns"
    """Compress turns."""
    ENTRIES = "Entries"
    """Write entries as given."""
    EDIT = "Edit"
    """Change one entry."""
    DELETE = "Delete"
    """Remove entries by id."""
    ERASE = "Erase"
    """Remove everything of a user."""
    SYNTHESIZE = "Synthesize"
    """Look for superseded entries of a user."""
    UNDO = "Undo"
    """Take back one operation or synthesis."""
    RECOMPRESS = "Recompress"
    """Bring back turns that were dropped."""
    REEMBED = "Reembed"
    """Go over to vectors of another model."""
    CANARY = "Canary"
    """Remove what a check of the write path wrote."""


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
    key: str | None = None
    """Its key in the store that it was exported from; None: worked out."""
    dropped_density: float | None = None
    """Density for which that store dropped it; None where entries were made of it."""


@dataclass(frozen=True, slots=True)
class GivenEntry:
    """An entry as a caller or a line of an import gives it; what is left open is worked out as for a turn."""

    lossless_restatement: str
    """The self-contained sentence."""
    session_id: str | None = None
    """Which conversation; None: the operation's."""
    entry_id: str | None = None
    """Its id; None: one that follows from user, session, time and sentence, so that the same again is the same."""
    speaker: str = ""
    """Who said it; empty where nobody in particular did."""
    text: str = ""
    """The words of its sources; empty: the sentence itself."""
    keywords: tuple[str, ...] = ()
    """Content words; none: picked from the text."""
    timestamp: datetime | None = None
    """When it was told, aware, UTC."""
    location: str | None = None
    """Where it happened."""
    persons: tuple[str, ...] = ()
    """People named; none: the speaker and who else the text names."""
    entities: tuple[str, ...] = ()
    """Other named things; none: picked from the text."""
    sources: tuple[str, ...] = ()
    """Ids of the turns it was made of."""
    valid_from: datetime | None = None
    """Since when it holds; None: since it was told."""
    valid_until: datetime | None = None
    """Until when it held."""
    superseded_by: str | None = None
    """The entry that replaced it."""
    created_at: datetime | None = None
    """When it was first written; None: now."""
    compressed_by: str | None = None
    """Who made it; None: it was given."""


FieldValue: TypeAlias = str | datetime | tuple[str, ...] | None
"""What a field of an entry may be set to."""


@dataclass(frozen=True, slots=True)
class EntriesPayload:
    """Entries to write as they are given."""

    entries: tuple[GivenEntry, ...]
    """In order; none where the operation has turns alone."""


TEXT_FIELDS = frozenset({"lossless_restatement"})
LIST_FIELDS = frozenset({"keywords", "persons", "entities"})
TIME_FIELDS = frozenset({"timestamp", "valid_from", "valid_until"})
EDITABLE_FIELDS = TEXT_FIELDS | LIST_FIELDS | TIME_FIELDS | {"location"}
"""Fields of an entry that an edit may set; of these only `location` and the times may be None."""


@dataclass(frozen=True, slots=True)
class EditPayload:
    """Fields of one entry to set; a new sentence replaces the words that are searched, too."""

    entry_id: str
    """Which entry."""
    changes: Mapping[str, FieldValue]
    """New values by field, `EDITABLE_FIELDS` only; tuples for lists, aware times. Fields not named stay."""


@dataclass(frozen=True, slots=True)
class DeletePayload:
    """Entries to remove."""

    entry_ids: tuple[str, ...]
    """Which; those that do not exist count for nothing."""


@dataclass(frozen=True, slots=True)
class ErasePayload:
    """Everything of the operation's user is to be removed."""


@dataclass(frozen=True, slots=True)
class SynthesizePayload:
    """All entries of the operation's user are to be looked at again."""


@dataclass(frozen=True, slots=True)
class UndoPayload:
    """What one cause did to existing entries is to be taken back."""

    cause: str
    """Id of an operation, or of a synthesis as the history of an entry names it."""


@dataclass(frozen=True, slots=True)
class RecompressPayload:
    """Dropped turns of the operation's user are to be looked at again."""


class ReembedAction(StrEnum):
    """What becomes of the vectors."""

    START = "Start"
    """Make new ones and use them."""
    ROLLBACK = "Rollback"
    """Use those of before again."""
    DROP = "Drop"
    """Let go of those of before."""


@dataclass(frozen=True, slots=True)
class ReembedPayload:
    """The store is to go over to other vectors; it concerns all users."""

    action: ReembedAction
    """What becomes of the vectors."""
    model: str = ""
    """Model of the new ones; empty where none are made."""


@dataclass(frozen=True, slots=True)
class CanaryPayload:
    """What a check of the write path wrote is to be removed, and what earlier ones left."""

    entry_id: str
    """The entry of this check."""


Payload: TypeAlias = (
    EntriesPayload
    | EditPayload
    | DeletePayload
    | ErasePayload
    | SynthesizePayload
    | UndoPayload
    | RecompressPayload
    | ReembedPayload
    | CanaryPayload
)

KIND_OF: Mapping[type[Payload], OperationKind] = {
    EntriesPayload: OperationKind.ENTRIES,
    EditPayload: OperationKind.EDIT,
    DeletePayload: OperationKind.DELETE,
    ErasePayload: OperationKind.ERASE,
    SynthesizePayload: OperationKind.SYNTHESIZE,
    UndoPayload: OperationKind.UNDO,
    RecompressPayload: OperationKind.RECOMPRESS,
    ReembedPayload: OperationKind.REEMBED,
    CanaryPayload: OperationKind.CANARY,
}
"""What each payload asks for."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A change that was accepted by one request."""

    user_id: str
    """Whose memory."""
    session_id: str
    """Which conversation; of no meaning where the payload names entries."""
    turns: tuple[GivenTurn, ...]
    """What was said, in order; empty where there is a payload other than `EntriesPayload`."""
    received_at: datetime
    """When the request came, aware, UTC."""
    idempotency: str = ""
    """Hash of caller and Idempotency-Key; empty without one."""
    payload: Payload | None = None
    """What to do; None: compress the turns."""

    @property
    def kind(self) -> OperationKind:
        """What it does."""
        return OperationKind.TURNS if self.payload is None else KIND_OF[type(self.payload)]

    @property
    def size(self) -> int:
        """Turns and entries given; 0 where it gives none, and for the service's own, which nobody waits for."""
        if self.user_id == CANARY_USER:
            return 0
        return len(self.turns) + (len(self.payload.entries) if isinstance(self.payload, EntriesPayload) else 0)


@dataclass(frozen=True, slots=True)
class JournaledOperation:
    """An operation with the id under which it is durable."""

    operation_id: str
    """Segment and place within it."""
    operation: Operation
    """What was accepted."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of a removal, without any of what was removed."""

    kind: OperationKind
    """Delete or Erase."""
    user_id: str
    """Whose memory."""
    requested_at: datetime
    """When the removal was accepted, aware, UTC."""
    removed: Mapping[str, int]
    """Rows removed, by kind: `entries`, `turns`, `revisions`."""
    physical_by: datetime
    """When at the latest the bytes are gone while the service runs: old versions of the tables hold them until then."""
    physically_removed_at: datetime | None = None
    """When they were found to be gone; None until then."""
    sha256: str = ""
    """Digest of the fields above, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class DroppedTurns:
    """A window that the density filter dropped, as far as it consists of an operation's turns."""

    turn_ids: tuple[str, ...]
    """Its turns of this operation."""
    density: Density
    """Why: the score lies below the threshold."""


@dataclass(frozen=True, slots=True)
class OperationResult:
    """How an operation ended."""

    state: OperationState
    """Succeeded or Failed."""
    turns: int
    """Turns given."""
    entries: int = 0
    """Entries written: made of the turns, given, edited, superseded or restored."""
    dropped: int = 0
    """Turns that the density filter dropped."""
    version: int = 0
    """Version of the table of entries that shows its effect."""
    error: str = ""
    """Why it failed; empty otherwise."""
    kind: OperationKind = OperationKind.TURNS
    """What it did."""
    unchanged: int = 0
    """Entries given whose id was there already."""
    deleted: int = 0
    """Entries removed."""
    receipt: Receipt | None = None
    """Of a removal."""
    owner: str = ""
    """Digest of the user's id, by which the operation is hidden from others; empty where an older version wrote it."""
    dropped_windows: tuple[DroppedTurns, ...] = ()
    """The windows that turns were dropped with, in order; the first of them where there are many."""


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
    kind: OperationKind = OperationKind.TURNS
    """What it does."""
    owner: str = ""
    """Digest of the user's id; empty where it is not known."""
    done: int | None = None
    """Entries with new vectors, of a re-embedding."""
    total: int | None = None
    """Entries that are to have new vectors."""

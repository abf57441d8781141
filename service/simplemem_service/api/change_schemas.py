"""What travels over HTTP where memories are changed: entries given and edited, operations, receipts, histories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, model_validator

from simplemem_service import constants
from simplemem_service.api import examples
from simplemem_service.api.schemas import WIRE, EntryOut, Id, Time, Wire, example
from simplemem_service.models.operation import (
    DroppedTurns,
    FieldValue,
    GivenEntry,
    OperationKind,
    OperationState,
    OperationStatus,
    Receipt,
)
from simplemem_service.models.revision import ChangeKind, Revision

ENTRIES_MAX = 1_000
"""Entries in one request: each is encoded, and a client should not wait for minutes."""
LIST_MAX = 1_000
"""Members of one list of an entry."""

Names = Annotated[tuple[Id, ...], Field(max_length=LIST_MAX)]
"""Words or names."""
EntryId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,255}$")]
"""An id that the caller chooses; it must fit into an address."""


def _says_something(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Sentence = Annotated[str, Field(min_length=1, max_length=constants.TEXT_MAX_CHARS), AfterValidator(_says_something)]
"""A self-contained sentence."""


class EntryIn(Wire):
    """A memory as the caller gives it; what is left open is worked out from the sentence."""

    lossless_restatement: Sentence
    """The self-contained sentence."""
    entry_id: EntryId | None = None
    """Its id; none: one that follows from user, session, time and sentence, so that the same again is the same."""
    session_id: Id | None = None
    """Which conversation; none: the request's."""
    speaker: Annotated[str, Field(max_length=constants.ID_MAX_CHARS)] = ""
    """Who said it."""
    text: Annotated[str, Field(max_length=constants.TEXT_MAX_CHARS)] = ""
    """The words that are searched; none: the sentence."""
    keywords: Names = ()
    """Content words; none: picked from the text."""
    timestamp: Time | None = None
    """When it was told."""
    location: Id | None = None
    """Where it happened."""
    persons: Names = ()
    """People named; none: picked from the text."""
    entities: Names = ()
    """Other named things; none: picked from the text."""
    sources: Names = ()
    """Ids of turns it was made of."""
    valid_from: Time | None = None
    """Since when it holds; none: since it was told."""
    valid_until: Time | None = None
    """Until when it held."""

    def to_model(self) -> GivenEntry:
        """The entry as the service works with it."""
        return GivenEntry(**{name: getattr(self, name) for name in type(self).model_fields})


class EntriesIn(Wire):
    """Memories to be written as they are."""

    model_config = WIRE | example(
        {
            "user_id": "ada",
            "entries": [{"lossless_restatement": "Ada lives in Rome.", "timestamp": "2026-03-01T10:00:00Z"}],
        }
    )

    user_id: Id | None = None
    """Whose memory; none: the token's user, or `default`."""
    session_id: Id = constants.DEFAULT_SESSION
    """Conversation of entries that name none."""
    entries: Annotated[list[EntryIn], Field(min_length=1, max_length=ENTRIES_MAX)]
    """The memories."""


class EntryPatch(Wire):
    """Fields of a memory to set; fields not named stay, and only `location` and the times may be null."""

    model_config = WIRE | example({"lossless_restatement": "Ada lives in Milan.", "location": "Milan"})

    lossless_restatement: Sentence | None = None
    """The new sentence; its words are searched from then on."""
    keywords: Names | None = None
    """Content words."""
    timestamp: Time | None = None
    """When it was told."""
    location: Id | None = None
    """Where it happened."""
    persons: Names | None = None
    """People named."""
    entities: Names | None = None
    """Other named things."""
    valid_from: Time | None = None
    """Since when it holds."""
    valid_until: Time | None = None
    """Until when it held."""

    @model_validator(mode="after")
    def _check(self) -> EntryPatch:
        if not self.model_fields_set:
            raise ValueError("at least one field must be named")
        for name in ("lossless_restatement", "keywords", "persons", "entities"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} must not be null")
        return self

    def changes(self) -> Mapping[str, FieldValue]:
        """New values by field."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


class UserIn(Wire):
    """A user whose memory is to be looked at again."""

    model_config = WIRE | example({"user_id": "ada"})

    user_id: Id | None = None
    """Whose memory; none: the token's user, or `default`."""


class UndoIn(UserIn):
    """What is to be taken back."""

    model_config = WIRE | example({"user_id": "ada", "cause": "synthesis-0-199"})

    cause: Id
    """`cause` of a change, as the history of an entry shows it."""


class ReceiptOut(BaseModel):
    """Proof of a removal."""

    kind: OperationKind
    user_id: str
    requested_at: Time
    removed: dict[str, int]
    physical_by: Time
    physically_removed_at: Time | None
    sha256: str

    @classmethod
    def of(cls, receipt: Receipt) -> ReceiptOut:
        """The receipt as it is shown."""
        values: dict[str, Any] = {name: getattr(receipt, name) for name in cls.model_fields}
        return cls.model_construct(**values | {"removed": dict(receipt.removed)})


class AcceptedOut(BaseModel):
    """A change that is durable."""

    model_config = example({"operation_id": examples.TURNS_OPERATION["operation_id"]})

    operation_id: str


class DroppedOut(BaseModel):
    """Turns that were not stored, and the density of their window, `score = a |E_new| / |W| + (1 - a) (1 - cosine)`.

    `cosine` is none where nothing came before, which counts as 0. A lower threshold brings them back.
    """

    turn_ids: tuple[str, ...]
    score: float
    new_entities: int
    turns: int
    cosine: float | None

    @classmethod
    def of(cls, dropped: DroppedTurns) -> DroppedOut:
        """The window as it is shown."""
        terms = {name: getattr(dropped.density, name) for name in ("score", "new_entities", "turns", "cosine")}
        return cls.model_construct(turn_ids=dropped.turn_ids, **terms)


_SHOWN = ("operation_id", "kind", "state", "turns", "done", "total")


class OperationOut(BaseModel):
    """How far an operation has come; Succeeded once its effect is seen through this address."""

    model_config = example(examples.TURNS_OPERATION, examples.ERASE_OPERATION)

    operation_id: str
    kind: OperationKind
    state: OperationState
    turns: int
    entries: int
    dropped: int
    dropped_windows: list[DroppedOut]
    unchanged: int
    deleted: int
    error: str | None = None
    receipt: ReceiptOut | None = None
    done: int | None = None
    total: int | None = None

    @classmethod
    def fields_of(cls, status: OperationStatus) -> dict[str, Any]:
        """The fields of an operation that are shown."""
        result = status.result
        fields: dict[str, Any] = {name: getattr(status, name) for name in _SHOWN}
        for name in ("entries", "dropped", "unchanged", "deleted"):
            fields[name] = getattr(result, name) if result else 0
        windows = result.dropped_windows if result else ()
        fields["dropped_windows"] = [DroppedOut.of(window) for window in windows]
        fields["error"] = (result.error or None) if result else None
        fields["receipt"] = ReceiptOut.of(result.receipt) if result and result.receipt else None
        return fields

    @classmethod
    def of(cls, status: OperationStatus) -> OperationOut:
        """The operation as it is shown."""
        return cls.model_construct(**cls.fields_of(status))


class GivenOut(OperationOut):
    """Entries that were given, with their ids in the order of the request."""

    model_config = example(examples.GIVEN_OPERATION)

    entry_ids: list[str]


class RevisionOut(BaseModel):
    """What an entry was until one change; `before` is none where it was removed."""

    changed_at: Time
    cause: str
    change: ChangeKind
    before: EntryOut | None

    @classmethod
    def of(cls, revision: Revision) -> RevisionOut:
        """The revision as it is shown."""
        return cls.model_construct(
            changed_at=revision.changed_at,
            cause=revision.cause,
            change=revision.change,
            before=EntryOut.of(revision.before) if revision.before else None,
        )


class HistoryOut(BaseModel):
    """What became of an entry, oldest first; `cause` can be taken back by POST /v1/undo."""

    model_config = example(examples.HISTORY)

    entry_id: str
    revisions: list[RevisionOut]

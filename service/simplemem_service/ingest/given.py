"""Entries that a caller gives or corrects: what is left open is worked out by rules, and the words are encoded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from simplemem_service.embedding.base import Embedding
from simplemem_service.errors import ConflictError, InvalidInputError, NotFoundError
from simplemem_service.ingest.identity import identify_entry, identify_turns
from simplemem_service.ingest.positions import Positions
from simplemem_service.models.entry import EmbeddedEntry, Entry, Turn, group_by_session
from simplemem_service.models.operation import (
    EDITABLE_FIELDS,
    LIST_FIELDS,
    EditPayload,
    EntriesPayload,
    FieldValue,
    GivenEntry,
    JournaledOperation,
    OperationKind,
    OperationResult,
    OperationState,
)
from simplemem_service.models.revision import ChangeKind, Revision
from simplemem_service.pipeline.normalize import Normalized, normalize_turn
from simplemem_service.pipeline.vectors import CONTEXT_TURNS, Draft, answering, embed_texts, finish_entries
from simplemem_service.storage.base import Storage

BY_CALLER = "given"
"""`compressed_by` of entries that nobody compressed."""
_UNKNOWN = datetime.min.replace(tzinfo=UTC)
_DERIVED = ("keywords", "persons", "entities")


class GivenEntries:
    """Applies operations that give or edit entries.

    Parameters
    ----------
    storage, embedding, positions
        What it works with.
    clock
        The time that entries are stamped with, aware.
    """

    def __init__(
        self, storage: Storage, embedding: Embedding, positions: Positions, clock: Callable[[], datetime]
    ) -> None:
        self._storage = storage
        self._embedding = embedding
        self._positions = positions
        self._clock = clock

    async def add(self, accepted: JournaledOperation, payload: EntriesPayload) -> OperationResult:
        """Write those entries whose ids are not there yet, after the turns that come with them.

        Raises `ConflictError` if an id is another user's.
        """
        operation, now = accepted.operation, self._clock()
        entries: dict[str, Entry] = {}
        for given in payload.entries:
            entry_id = identify_entry(operation.user_id, given, operation.session_id)
            entries.setdefault(entry_id, _build(given, entry_id, operation.user_id, operation.session_id, now))
        there = await self._storage.read_embedded(list(entries))
        foreign = [row.entry.entry_id for row in there if row.entry.user_id != operation.user_id]
        if foreign:
            raise ConflictError(f"entry '{foreign[0]}' belongs to another user; give it another id")
        await self._keep_turns(accepted)
        known = {row.entry.entry_id for row in there}
        fresh = [entry for entry_id, entry in entries.items() if entry_id not in known]
        first = await self._positions.take_entries(len(fresh))
        numbered = [replace(entry, position=position) for position, entry in enumerate(fresh, start=first)]
        version = await self._storage.add_entries(await self.embed(numbered))
        unchanged = len(payload.entries) - len(fresh)
        done = _succeeded(OperationKind.ENTRIES, entries=len(fresh), version=version, unchanged=unchanged)
        return replace(done, turns=len(operation.turns))

    async def _keep_turns(self, accepted: JournaledOperation) -> None:
        """Keep the operation's turns as they are; nothing is made of them."""
        turns = {turn.key: turn for turn in identify_turns(accepted)}
        known = await self._storage.known_turns(list(turns))
        fresh = [turn for key, turn in turns.items() if key not in known]
        first = await self._positions.take_turns(len(fresh))
        await self._storage.add_turns([replace(turn, position=n) for n, turn in enumerate(fresh, start=first)])

    async def edit(self, accepted: JournaledOperation, payload: EditPayload) -> OperationResult:
        """Set fields of an entry.

        Raises `NotFoundError` if the user has no such entry, `InvalidInputError` for a field that cannot be set.
        """
        check_changes(payload.changes)
        rows = await self._storage.read_embedded([payload.entry_id])
        if not rows or rows[0].entry.user_id != accepted.operation.user_id:
            raise NotFoundError(f"entry '{payload.entry_id}' does not exist")
        row = rows[0]
        after = _edited(row.entry, payload.changes)
        changed = replace(row, entry=after)
        if after.text != row.entry.text:
            (changed,) = await self.restore([after])
        await self._storage.add_history(
            [
                Revision(
                    row.entry.entry_id,
                    row.entry.user_id,
                    self._clock(),
                    accepted.operation_id,
                    ChangeKind.EDITED,
                    row.entry,
                )
            ]
        )
        version = await self._storage.update_entries([changed])
        return _succeeded(OperationKind.EDIT, entries=1, version=version)

    async def restore(self, entries: Iterable[Entry]) -> list[EmbeddedEntry]:
        """Entries as they were, with the vectors of their words; neighbours of a session share the work."""
        wanted = list(entries)
        rows = {row.entry.entry_id: row for run in _runs(wanted) for row in await self._embed_run(run)}
        return [rows[entry.entry_id] for entry in wanted]

    async def embed(self, entries: Sequence[Entry]) -> list[EmbeddedEntry]:
        """Entries that follow each other in their sessions, with the vectors of their words."""
        found = [row for members in group_by_session(entries) for row in await self._embed_run(members)]
        return sorted(found, key=lambda row: row.entry.position)

    async def _embed_run(self, entries: Sequence[Entry]) -> list[EmbeddedEntry]:
        """Entries of one session that follow each other, with their vectors."""
        before = await self._storage.entries_before(entries[0], CONTEXT_TURNS)
        said = [entry.text for entry in (*before, *entries)]
        vectors = await embed_texts(self._embedding, said)
        first = len(before)
        asked = said[first - 1 :] if before else ["", *said]
        drafts = [
            Draft(entry, own, answering(entry.text, question))
            for entry, own, question in zip(entries, vectors[first:], asked, strict=False)
        ]
        rows = await finish_entries(self._embedding, drafts, vectors[:first], 0)
        return [replace(row, entry=entry) for row, entry in zip(rows, entries, strict=True)]


def _runs(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Entries that surely follow each other in their sessions: all positions between them are among the given."""
    listed = sorted(entries, key=lambda entry: entry.position)
    # What lies between two of them is all given where their positions are as far apart as their places here.
    starts = {entry.entry_id: entry.position - place for place, entry in enumerate(listed)}
    for members in group_by_session(listed):
        for _, run in itertools.groupby(members, key=lambda entry: starts[entry.entry_id]):
            yield list(run)


def check_changes(changes: Mapping[str, FieldValue]) -> None:
    """Raise `InvalidInputError` if a field cannot be set, or not to that."""
    for name, value in changes.items():
        if name not in EDITABLE_FIELDS:
            raise InvalidInputError(name, f"{name}: cannot be edited; what can is {', '.join(sorted(EDITABLE_FIELDS))}")
        if name in LIST_FIELDS and not isinstance(value, tuple):
            raise InvalidInputError(name, f"{name}: must be a list")
        if name == "lossless_restatement" and not (isinstance(value, str) and value.strip()):
            raise InvalidInputError(name, f"{name}: must be a sentence")


def _build(given: GivenEntry, entry_id: str, user_id: str, session_id: str, now: datetime) -> Entry:
    text = given.text or given.lossless_restatement
    found = _read(text, given.speaker, given.timestamp, given.persons)
    return Entry(
        entry_id=entry_id,
        user_id=user_id,
        session_id=given.session_id or session_id,
        position=0,
        speaker=given.speaker,
        text=text,
        lossless_restatement=given.lossless_restatement,
        keywords=given.keywords or found.keywords,
        timestamp=given.timestamp,
        location=given.location or found.location,
        persons=given.persons or tuple(name for name in found.persons if name),
        entities=given.entities or found.entities,
        sources=given.sources,
        valid_from=given.valid_from or given.timestamp,
        valid_until=given.valid_until,
        superseded_by=given.superseded_by,
        created_at=given.created_at or now,
        compressed_by=given.compressed_by or BY_CALLER,
    )


def _edited(entry: Entry, changes: Mapping[str, FieldValue]) -> Entry:
    """The entry with fields set; a new sentence brings its own words, and what follows from them unless it is given."""
    values: dict[str, Any] = dict(changes)
    sentence = changes.get("lossless_restatement")
    if isinstance(sentence, str) and sentence != entry.lossless_restatement:
        found = _read(sentence, entry.speaker, entry.timestamp, entry.persons)
        values = {name: getattr(found, name) for name in _DERIVED} | {"text": sentence} | values
        values["persons"] = tuple(name for name in values["persons"] if name)
    return replace(entry, **values)


def _read(text: str, speaker: str, told: datetime | None, names: Sequence[str]) -> Normalized:
    """What the rules see in a text."""
    return normalize_turn(Turn("", "", "", "", speaker, text, told, told or _UNKNOWN), [*names, speaker])


def _succeeded(kind: OperationKind, *, entries: int, version: int, unchanged: int = 0) -> OperationResult:
    return OperationResult(
        OperationState.SUCCEEDED, turns=0, entries=entries, version=version, kind=kind, unchanged=unchanged
    )

"""Operations that are no turns: applied in order, once in effect, whenever the writer is killed.

Every kind is replayed after a crash in front of each of its changes to the tables.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.ingest.identity import identify_entry
from simplemem_service.models.operation import (
    DeletePayload,
    EditPayload,
    EntriesPayload,
    ErasePayload,
    FieldValue,
    GivenEntry,
    OperationKind,
    OperationState,
    Payload,
    UndoPayload,
)
from simplemem_service.models.revision import ChangeKind
from tests.support.memory import Memory, MemoryOpener

ROME = GivenEntry(
    "Ada lives in Rome.",
    speaker="Ada",
    timestamp=datetime(2026, 4, 1, tzinfo=UTC),
    session_id="given",
    keywords=("rome",),
)
TALK = (("Ada", "I moved to Paris."), ("Ben", "Nice! I stay in Bonn."), ("Ada", "My cat is called Lovelace."))


async def test_given_entries_are_written_as_they_are(memory: Memory) -> None:
    plain = GivenEntry("Ben saw Bonn with Ada.", persons=("Ben",), sources=("t1",), location="Bonn")
    result = await memory.change(EntriesPayload((ROME, plain, ROME)))
    assert (result.kind, result.entries, result.unchanged) == (OperationKind.ENTRIES, 2, 1)
    rome, ben = await memory.entries()
    assert (rome.entry_id, rome.session_id) == (identify_entry("ada", ROME, ""), "given")
    assert (rome.lossless_restatement, rome.text, rome.speaker) == ("Ada lives in Rome.", "Ada lives in Rome.", "Ada")
    assert (rome.keywords, rome.persons, rome.valid_from) == (("rome",), ("Ada",), ROME.timestamp)
    assert (ben.persons, ben.sources, ben.location, ben.compressed_by) == (("Ben",), ("t1",), "Bonn", "given")
    assert {"bonn", "ada"} <= set(ben.keywords)
    assert (rome.position, ben.position) == (0, 1)
    again = await memory.change(EntriesPayload((ROME,)))
    assert (again.entries, again.unchanged) == (0, 1)
    assert len(await memory.entries()) == 2


async def test_an_entry_that_was_given_is_encoded_as_one_that_was_told(memory: Memory) -> None:
    await memory.say(("Ada", "I live in Rome."), ("Ada", "My cat sleeps."), user="told")
    given = tuple(GivenEntry(text, speaker="Ada", session_id="s") for text in ("I live in Rome.", "My cat sleeps."))
    await memory.change(EntriesPayload(given), user="given")
    told = await memory.storage.list_embedded("told", after=-1, limit=9)
    imported = await memory.storage.list_embedded("given", after=-1, limit=9)
    for one, other in zip(told, imported, strict=True):
        np.testing.assert_array_equal(one.embedding, other.embedding)
        np.testing.assert_array_equal(one.sentences, other.sentences)


async def test_an_id_that_is_another_user_s_is_refused(memory: Memory) -> None:
    await memory.change(EntriesPayload((GivenEntry("Ada likes tea.", entry_id="one"),)))
    result = await memory.change(EntriesPayload((GivenEntry("Ben.", entry_id="one"),)), user="ben")
    assert result.state is OperationState.FAILED
    assert result.error == "entry 'one' belongs to another user; give it another id"
    assert await memory.texts("ben") == []


async def test_an_edit_replaces_words_and_vectors_and_keeps_what_was(memory: Memory) -> None:
    await memory.say(*TALK)
    before = await memory.entry("Lovelace")
    (old_row,) = await memory.storage.read_embedded([before.entry_id])
    changes = {"lossless_restatement": "Ada's cat is called Byron.", "location": None}
    result = await memory.change(EditPayload(before.entry_id, changes))
    assert (result.state, result.entries, result.kind) == (OperationState.SUCCEEDED, 1, OperationKind.EDIT)
    after = await memory.entry("Byron")
    assert (after.entry_id, after.position, after.sources) == (before.entry_id, before.position, before.sources)
    assert "byron" in after.keywords
    assert "lovelace" not in after.keywords
    (new_row,) = await memory.storage.read_embedded([before.entry_id])
    assert not np.array_equal(old_row.sentences, new_row.sentences)
    (revision,) = await memory.storage.history(before.entry_id)
    assert (revision.change, revision.before) == (ChangeKind.EDITED, before)
    assert len(await memory.entries()) == 3


async def test_an_edit_of_the_metadata_keeps_the_vectors(memory: Memory) -> None:
    await memory.say(*TALK)
    entry = await memory.entry("Lovelace")
    (old_row,) = await memory.storage.read_embedded([entry.entry_id])
    calls = memory.embedding.calls
    await memory.change(EditPayload(entry.entry_id, {"persons": ("Ada", "Eve"), "location": "Rome"}))
    (row,) = await memory.storage.read_embedded([entry.entry_id])
    assert (row.entry.persons, row.entry.location, row.entry.text) == (("Ada", "Eve"), "Rome", entry.text)
    np.testing.assert_array_equal(row.embedding, old_row.embedding)
    assert memory.embedding.calls == calls


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"user_id": "eve"}, "user_id: cannot be edited; what can is"),
        ({"persons": "Ada"}, "persons: must be a list"),
        ({"lossless_restatement": "  "}, "lossless_restatement: must be a sentence"),
        ({"lossless_restatement": None}, "lossless_restatement: must be a sentence"),
    ],
)
async def test_an_edit_that_cannot_be_made_fails_and_says_why(
    memory: Memory, changes: dict[str, FieldValue], error: str
) -> None:
    await memory.say(*TALK)
    entry = await memory.entry("Lovelace")
    result = await memory.change(EditPayload(entry.entry_id, changes))
    assert result.state is OperationState.FAILED
    assert error in result.error
    assert await memory.entry("Lovelace") == entry


async def test_nobody_edits_removes_or_undoes_what_is_another_s(memory: Memory) -> None:
    await memory.say(*TALK)
    entry = await memory.entry("Lovelace")
    edit = await memory.change(EditPayload(entry.entry_id, {"location": "Rome"}), user="eve")
    assert (edit.state, edit.error) == (OperationState.FAILED, f"entry '{entry.entry_id}' does not exist")
    assert (await memory.change(DeletePayload((entry.entry_id,)), user="eve")).deleted == 0
    own = await memory.accept(EditPayload(entry.entry_id, {"location": "Bonn"}))
    await memory.worker.run_once()
    undo = await memory.change(UndoPayload(own), user="eve")
    assert (undo.state, undo.error) == (OperationState.FAILED, f"nothing changed by '{own}' can be taken back")
    assert (await memory.entry("Lovelace")).location == "Bonn"


async def test_an_edit_can_be_taken_back_with_its_words(memory: Memory) -> None:
    await memory.say(*TALK)
    before = await memory.entry("Lovelace")
    (old_row,) = await memory.storage.read_embedded([before.entry_id])
    edit = await memory.accept(EditPayload(before.entry_id, {"lossless_restatement": "Ada has a dog."}))
    await memory.worker.run_once()
    result = await memory.change(UndoPayload(edit))
    assert (result.state, result.entries, result.deleted) == (OperationState.SUCCEEDED, 1, 0)
    assert await memory.entry("Lovelace") == before
    (row,) = await memory.storage.read_embedded([before.entry_id])
    np.testing.assert_allclose(row.embedding, old_row.embedding, atol=1e-3)
    changes = [one.change for one in await memory.storage.history(before.entry_id)]
    assert changes == [ChangeKind.EDITED, ChangeKind.RESTORED]


async def test_a_removed_entry_takes_its_turn_and_its_past_along(memory: Memory) -> None:
    await memory.say(*TALK)
    entry = await memory.entry("Lovelace")
    await memory.change(EditPayload(entry.entry_id, {"location": "Rome"}))
    result = await memory.change(DeletePayload((entry.entry_id, "nobody's")))
    assert (result.state, result.deleted, result.kind) == (OperationState.SUCCEEDED, 1, OperationKind.DELETE)
    assert result.receipt is not None
    assert result.receipt.removed == {"entries": 1, "turns": 1, "revisions": 1}
    assert await memory.texts() == [TALK[0][1], TALK[1][1]]
    assert [turn.text for turn in await memory.storage.list_turns("ada", after=-1, limit=9)] == await memory.texts()
    (tombstone,) = await memory.storage.history(entry.entry_id)
    assert (tombstone.change, tombstone.before) == (ChangeKind.DELETED, None)


async def test_what_a_removed_entry_superseded_holds_again(memory: Memory) -> None:
    old = GivenEntry("Ada lives in Paris.", entry_id="old", superseded_by="new", valid_until=ROME.timestamp)
    await memory.change(EntriesPayload((old, GivenEntry("Ada lives in Rome.", entry_id="new"))))
    await memory.change(DeletePayload(("new",)))
    (entry,) = await memory.entries()
    assert (entry.entry_id, entry.superseded_by, entry.valid_until) == ("old", None, None)
    assert [one.change for one in await memory.storage.history("old")] == [ChangeKind.RESTORED]


async def test_changes_of_one_segment_are_applied_in_order(memory: Memory) -> None:
    await memory.change(EntriesPayload((GivenEntry("Ada lives in Rome.", entry_id="one"),)))
    await memory.accept(EditPayload("one", {"location": "Paris"}))
    await memory.accept(EditPayload("one", {"location": "Rome"}))
    await memory.accept(DeletePayload(("one",)))
    await memory.accept(EntriesPayload((GivenEntry("Ada lives in Bonn.", entry_id="one"),)))
    await memory.worker.run_once()
    (entry,) = await memory.entries()
    assert entry.lossless_restatement == "Ada lives in Bonn."


@pytest.mark.parametrize(
    "payload",
    [
        EntriesPayload((ROME,)),
        EditPayload("one", {"location": "Rome", "lossless_restatement": "Ada owns a dog."}),
        DeletePayload(("one", "new")),
        ErasePayload(),
    ],
    ids=lambda payload: type(payload).__name__,
)
@pytest.mark.parametrize("place", range(5))
async def test_a_crash_in_front_of_any_change_is_made_good(
    open_memory: MemoryOpener, payload: Payload, place: int
) -> None:
    first = await open_memory()
    await first.say(*TALK)
    given = (
        GivenEntry("Ada owns a cat.", entry_id="one", sources=("monday-2",)),
        GivenEntry("Ada lives in Paris.", entry_id="old", superseded_by="new"),
        GivenEntry("Ada lives in Bonn.", entry_id="new"),
    )
    await first.change(EntriesPayload(given))
    first.storage.changes_left = place
    operation_id = await first.accept(payload)
    try:
        await first.worker.run_once()
    except StorageUnavailableError:
        assert (await first.journal.read_operation(operation_id)).state is OperationState.PENDING
    crashed = await open_memory()
    await crashed.worker.run_once()
    result = await crashed.result(operation_id)
    assert result.state is OperationState.SUCCEEDED
    entries = {entry.entry_id: entry for entry in await crashed.entries()}
    if isinstance(payload, EntriesPayload):
        assert len(entries) == 7
    elif isinstance(payload, EditPayload):
        assert (entries["one"].location, entries["one"].text) == ("Rome", "Ada owns a dog.")
        assert [one.before and one.before.text for one in await crashed.storage.history("one")] == ["Ada owns a cat."]
    elif isinstance(payload, DeletePayload):
        assert (len(entries), entries["old"].superseded_by) == (4, None)
        assert result.deleted == 2
    else:
        assert (entries, result.deleted) == ({}, 6)
        assert await crashed.storage.list_turns("ada", after=-1, limit=9) == []

"""Stage 2 as the writer runs it: a step at a time, once in effect, undone on request."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.ingest import pace as paces
from simplemem_service.ingest import synthesizer as synthesizers
from simplemem_service.ingest.synthesizer import UserMemory
from simplemem_service.models.operation import (
    EditPayload,
    EntriesPayload,
    GivenEntry,
    OperationKind,
    SynthesizePayload,
    UndoPayload,
)
from simplemem_service.models.revision import ChangeKind
from tests.support.entries import make_entry
from tests.support.memory import Memory, MemoryOpener

MOVES = (("Ada", "I live in Paris."), ("Ben", "I live in Bonn."), ("Ada", "I moved from Paris to Rome."))


@pytest.fixture(autouse=True)
def _ample_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step ends for want of time, however slow the machine is; tests of that give it less."""
    monkeypatch.setattr(synthesizers, "STEP_SECONDS", 600)


async def step(memory: Memory) -> bool:
    memory.worker._synthesizer._next_step = 0.0
    return await memory.worker._synthesizer.step()


async def test_a_newer_fact_takes_the_place_of_the_older(memory: Memory) -> None:
    await memory.say(*MOVES)
    before = await memory.entry("live in Paris")
    assert await step(memory)
    paris, bonn, rome = await memory.entries()
    assert (paris.superseded_by, paris.valid_until) == (rome.entry_id, rome.timestamp)
    assert (bonn.superseded_by, rome.superseded_by, rome.valid_until) == (None, None, None)
    assert (paris.text, paris.sources) == (before.text, before.sources)
    (revision,) = await memory.storage.history(paris.entry_id)
    assert (revision.change, revision.before, revision.cause) == (ChangeKind.SUPERSEDED, before, "synthesis-0-2")
    assert not await step(memory)


async def test_facts_of_another_user_or_an_earlier_batch_are_told_apart(memory: Memory) -> None:
    await memory.say(("Ada", "I live in Paris."))
    await step(memory)
    await memory.say(("Ada", "I live in Rome now."), user="ben")
    assert not await step(memory)
    await memory.say(("Ada", "I live in Oslo now."), session="later")
    assert await step(memory)
    assert (await memory.entry("Paris")).superseded_by == (await memory.entry("Oslo")).entry_id
    assert (await memory.entry("Rome", "ben")).superseded_by is None


async def test_the_next_process_goes_on_where_the_last_one_stopped(open_memory: MemoryOpener) -> None:
    first = await open_memory()
    await first.say(("Ada", "I live in Paris."))
    await step(first)
    second = await open_memory()
    assert not await step(second)
    await second.say(("Ada", "I live in Rome."), session="later")
    assert await step(second)
    assert (await second.entry("Paris")).superseded_by == (await second.entry("Rome")).entry_id
    assert await second.blobs.list_names(synthesizers.CURSORS) == [f"{1:019d}"]


async def test_a_crash_between_two_steps_changes_nothing(open_memory: MemoryOpener) -> None:
    first = await open_memory()
    await first.say(*MOVES)
    first.storage.changes_left = 0
    with pytest.raises(StorageUnavailableError):
        await step(first)
    second = await open_memory()
    assert await step(second)
    paris = await second.entry("live in Paris")
    assert paris.superseded_by == (await second.entry("Rome")).entry_id
    assert len(await second.storage.history(paris.entry_id)) == 1


async def test_a_synthesis_is_undone_and_not_done_again_by_itself(memory: Memory) -> None:
    await memory.say(*MOVES)
    await step(memory)
    result = await memory.change(UndoPayload("synthesis-0-2"))
    assert result.entries == 1
    paris = await memory.entry("live in Paris")
    assert (paris.superseded_by, paris.valid_until) == (None, None)
    await memory.say(("Ada", "My cat sleeps."), session="later")
    await step(memory)
    assert (await memory.entry("live in Paris")).superseded_by is None
    again = await memory.change(SynthesizePayload())
    assert (again.kind, again.entries) == (OperationKind.SYNTHESIZE, 1)
    assert (await memory.entry("live in Paris")).superseded_by == (await memory.entry("Rome")).entry_id
    changes = [one.change for one in await memory.storage.history(paris.entry_id)]
    assert changes == [ChangeKind.SUPERSEDED, ChangeKind.RESTORED, ChangeKind.SUPERSEDED]


async def test_given_entries_have_their_part_in_it(memory: Memory) -> None:
    old = GivenEntry("Ada lives in Paris.", entry_id="old")
    await memory.change(EntriesPayload((old, GivenEntry("Ada moved from Paris to Rome.", entry_id="new"))))
    await step(memory)
    entries = {entry.entry_id: entry for entry in await memory.entries()}
    assert entries["old"].superseded_by == "new"
    await memory.change(EditPayload("new", {"lossless_restatement": "Ada moved from Paris to Oslo."}))
    await memory.change(EntriesPayload((GivenEntry("Ada lives in Rome.", entry_id="third"),)))
    await step(memory)
    entries = {entry.entry_id: entry for entry in await memory.entries()}
    assert entries["new"].superseded_by == "third"


async def test_the_same_told_again_is_told_so_and_both_hold(memory: Memory) -> None:
    await memory.say(("Ada", "My old cat sleeps all day."))
    await memory.say(("Ada", "My old cat sleeps all day."), session="later")
    await step(memory)
    first, second = await memory.entries()
    assert (first.superseded_by, first.valid_until) == (second.entry_id, None)


async def test_many_entries_are_taken_a_step_at_a_time(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesizers, "STEP_ENTRIES", 2)
    monkeypatch.setattr(synthesizers, "PAGE_ENTRIES", 2)
    await memory.say(*MOVES, ("Ada", "I live in Oslo now."), ("Ada", "My cat sleeps."))
    steps = [await step(memory) for _ in range(4)]
    assert steps == [False, True, False, False]
    assert memory.worker._synthesizer._cursor == 4
    assert (await memory.entry("moved")).superseded_by == (await memory.entry("Oslo")).entry_id


async def test_a_long_memory_is_read_over_several_steps(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    await memory.say(*MOVES[:2], *(("Ada", f"My cat sleeps {n} hours a day.") for n in range(6)))
    for _ in range(3):
        await step(memory)
    memory.worker._synthesizer.forget("ada")
    await memory.say(MOVES[2], session="later")
    monkeypatch.setattr(synthesizers, "STEP_SECONDS", 0.0)
    monkeypatch.setattr(synthesizers, "PAGE_ENTRIES", 3)
    assert [await step(memory) for _ in range(4)] == [False, False, True, False]
    assert (await memory.entry("live in Paris")).superseded_by == (await memory.entry("Rome")).entry_id


async def test_users_whose_turns_alternate_are_told_apart(memory: Memory) -> None:
    for number, text in enumerate(("I live in Paris.", "I live in Rome now.", "I live in Oslo now.")):
        await memory.say(("Ada", text), user="ada", session=f"s{number}")
        await memory.say(("Ada", text), user="ben", session=f"s{number}")
    assert await step(memory)
    for user in ("ada", "ben"):
        paris, rome, oslo = await memory.entries(user)
        assert [one.superseded_by for one in (paris, rome, oslo)] == [rome.entry_id, oslo.entry_id, None]


def test_the_vectors_of_a_user_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesizers, "VECTORS_KEPT", 5)
    memory = UserMemory()
    rows = [make_entry(n, text=f"a sentence of many words {n}") for n in range(9)]
    memory.absorb(rows[:4])
    memory.absorb(rows[4:])
    assert [one.position for one in memory.said] == [4, 5, 6, 7, 8]
    assert memory.vectors.shape == (5, 8)
    assert np.linalg.norm(memory.vectors.astype(np.float32), axis=1) == pytest.approx(1, abs=1e-3)


async def test_stage_2_waits_for_searches_but_not_for_ever(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesizers, "SLICE_ENTRIES", 1)
    monkeypatch.setattr(paces, "REST_SECONDS", 0.1)
    await memory.say(*MOVES)
    asked: list[float] = []

    def is_busy() -> bool:
        asked.append(time.monotonic())
        return True

    memory.worker.pace.is_busy = is_busy
    memory.journal.appended.clear()
    assert await step(memory)
    assert asked[-1] - asked[0] > 0.2
    assert (await memory.entry("live in Paris")).superseded_by == (await memory.entry("Rome")).entry_id


async def test_stage_2_hurries_where_turns_wait(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paces, "REST_SECONDS", 60)
    await memory.say(*MOVES)
    memory.worker.pace.is_busy = lambda: True
    memory.journal.appended.set()
    async with asyncio.timeout(30):
        assert await step(memory)


async def test_stage_2_ends_with_the_process_and_goes_on_in_the_next(open_memory: MemoryOpener) -> None:
    first = await open_memory()
    await first.say(*MOVES)
    await first.say(("Ada", "My cat sleeps all day long."), user="ben")
    first.worker.pace.is_ending = True
    await step(first)
    assert first.worker._synthesizer._cursor == 2
    second = await open_memory()
    await step(second)
    assert second.worker._synthesizer._cursor == 3


async def test_users_are_forgotten_when_they_take_too_much_memory(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesizers, "ROWS_KEPT", 2)
    for user in ("ada", "ben", "cleo"):
        await memory.say(*MOVES, user=user)
    await step(memory)
    assert list(memory.worker._synthesizer._users) == ["cleo"]
    await memory.say(("Ada", "I live in Oslo now."), session="told before Rome")
    assert await step(memory)
    assert (await memory.entry("Oslo")).superseded_by == (await memory.entry("moved")).entry_id

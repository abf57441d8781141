"""What was dropped comes back when the threshold is lowered."""

from __future__ import annotations

import pytest

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.models.operation import OperationKind, RecompressPayload
from tests.support.memory import Memory, MemoryOpener

SAID = [("Ada", "one two")] * 3


async def drop(memory: Memory, user: str = "ada") -> list[str]:
    """Say something new, then nothing new; the texts that are kept."""
    await memory.say(("Ada", "one two"), user=user)
    result = await memory.say(*SAID, user=user, session="dull")
    repeated = await memory.say(*SAID, user=user, session="dull")
    assert (result.dropped + result.entries, repeated.entries) == (3, 0)
    again = await memory.say(("Ada", "one two"), ("Ada", "one two"), user=user, session="monday")
    assert again.dropped == 1
    return await memory.texts(user)


async def test_a_lower_threshold_brings_dropped_turns_back_at_the_next_start(open_memory: MemoryOpener) -> None:
    strict = await open_memory(threshold=0.99)
    kept = await drop(strict)
    turns = (await strict.storage.counts()).turns
    assert turns > len(kept)
    assert not await strict.worker._recompressor.step()
    lenient = await open_memory(threshold=0.0)
    assert await lenient.worker._recompressor.step()
    assert not await lenient.worker._recompressor.step()
    entries = await lenient.entries()
    assert len(entries) == turns
    assert sorted(source for entry in entries for source in entry.sources)
    assert await lenient.storage.dropped_turns(None, 0.0, 9) == []
    positions = [entry.position for entry in entries]
    assert positions == sorted(set(positions))


async def test_one_user_s_dropped_turns_come_back_on_request(open_memory: MemoryOpener) -> None:
    strict = await open_memory(threshold=0.99)
    await drop(strict)
    kept = await drop(strict, user="ben")
    lenient = await open_memory(threshold=0.0)
    result = await lenient.change(RecompressPayload())
    assert (result.kind, result.entries) == (OperationKind.RECOMPRESS, len(await lenient.entries()) - len(kept))
    assert result.entries > 0
    assert await lenient.texts("ben") == kept
    assert (await lenient.change(RecompressPayload())).entries == 0


async def test_a_crash_while_turns_are_brought_back_doubles_nothing(open_memory: MemoryOpener) -> None:
    strict = await open_memory(threshold=0.99)
    await drop(strict)
    lenient = await open_memory(threshold=0.0)
    lenient.storage.changes_left = 0
    with pytest.raises(StorageUnavailableError):
        await lenient.worker._recompressor.step()
    again = await open_memory(threshold=0.0)
    await again.worker._recompressor.step()
    assert len(await again.entries()) == (await again.storage.counts()).turns

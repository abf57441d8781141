"""Related entries merged by a language model: one call a cluster, members kept, taken back on request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from simplemem_service.errors import LlmError
from simplemem_service.llm.base import Completion, CompletionRequest, LanguageModel, Purpose
from simplemem_service.models.operation import DeletePayload, SynthesizePayload, UndoPayload
from simplemem_service.models.revision import ChangeKind
from tests.support.memory import Memory, MemoryOpener

SAID = (
    ("Ada", "I plant tomatoes in the garden behind the house."),
    ("Ben", "Bread rises slowly when kitchens are cold."),
    ("Ada", "I plant tomatoes in the garden beside the house."),
)
MERGED = "Ada plants tomatoes in the garden behind and beside the house."


class ScriptedModel(LanguageModel):
    """Gives its replies in turn, an exception as one, and records what it was asked."""

    def __init__(self, *replies: str | Mapping[str, Any] | Exception) -> None:
        self.replies = list(replies)
        self.requests: list[CompletionRequest] = []

    @property
    def models(self) -> tuple[str, ...]:
        return ("scripted",)

    async def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return Completion(reply if isinstance(reply, str) else json.dumps(reply), "scripted", 1, 1)


async def improve(memory: Memory) -> None:
    memory.worker._synthesizer._next_step = 0.0
    await memory.worker._improve(has_worked=False)
    merger = memory.worker._merger
    assert merger is not None
    if merger._task is not None:
        await asyncio.wait_for(merger._task, 10)
    await memory.worker._improve(has_worked=False)


def reply(text: str = MERGED, *, belongs: bool = True) -> dict[str, Any]:
    return {"belongs_together": belongs, "lossless_restatement": text}


async def test_a_cluster_becomes_one_entry_and_its_members_stay(open_memory: MemoryOpener) -> None:
    model = ScriptedModel(reply())
    memory = await open_memory(model=model)
    await memory.say(*SAID)
    await improve(memory)
    first, bread, second, merged = await memory.entries()
    assert (merged.lossless_restatement, merged.compressed_by) == (MERGED, "llm-merge:scripted")
    assert merged.sources == ("monday-0", "monday-2")
    assert {first.superseded_by, second.superseded_by} == {merged.entry_id}
    assert (first.valid_until, second.valid_until, bread.superseded_by) == (None, None, None)
    assert [one.change for one in await memory.storage.history(first.entry_id)] == [ChangeKind.MERGED]
    (request,) = model.requests
    assert request.purpose is Purpose.SYNTHESIZE
    assert [item["text"] for item in json.loads(request.messages[1].content)["entries"]] == [
        first.lossless_restatement,
        second.lossless_restatement,
    ]
    await improve(memory)
    assert len(model.requests) == 1


async def test_a_merge_is_taken_back(open_memory: MemoryOpener) -> None:
    memory = await open_memory(model=ScriptedModel(reply()))
    await memory.say(*SAID)
    await improve(memory)
    (revision,) = await memory.storage.history((await memory.entries())[0].entry_id)
    result = await memory.change(UndoPayload(revision.cause))
    assert (result.entries, result.deleted) == (2, 1)
    assert [entry.superseded_by for entry in await memory.entries()] == [None] * 3


@pytest.mark.parametrize(
    "answer",
    [
        LlmError("busy"),
        "no JSON",
        reply("Nothing of what was told."),
        reply("", belongs=False),
        {"belongs_together": True},
    ],
)
async def test_what_the_model_cannot_merge_stays_as_it_is(open_memory: MemoryOpener, answer: Any) -> None:
    model = ScriptedModel(answer)
    memory = await open_memory(model=model)
    await memory.say(*SAID)
    await improve(memory)
    assert len(model.requests) == 1
    assert [entry.superseded_by for entry in await memory.entries()] == [None] * 3


async def test_what_was_removed_while_the_model_wrote_is_not_merged(open_memory: MemoryOpener) -> None:
    memory = await open_memory(model=ScriptedModel(reply()))
    await memory.say(*SAID)
    memory.worker._synthesizer._next_step = 0.0
    await memory.worker._synthesizer.step()
    merger = memory.worker._merger
    assert merger is not None
    if merger._task is not None:
        await merger._task
    waiting = list(merger._ready)
    assert waiting
    await memory.change(DeletePayload(((await memory.entries())[0].entry_id,)))
    assert not merger._ready
    merger._ready.extend(waiting)
    assert not await merger.write_ready()
    assert len(await memory.entries()) == 2


async def test_clusters_that_a_restart_forgot_are_found_again_on_request(open_memory: MemoryOpener) -> None:
    memory = await open_memory(model=ScriptedModel(LlmError("busy"), reply()))
    await memory.say(*SAID)
    await improve(memory)
    await memory.change(SynthesizePayload())
    await improve(memory)
    assert len(await memory.entries()) == 4

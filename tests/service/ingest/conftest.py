"""What tests of the writer share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simplemem_service.llm.base import LanguageModel
from simplemem_service.storage.base import StoreIdentity
from tests.support.embedding import DIMENSION
from tests.support.memory import Memory, MemoryOpener


@pytest.fixture
async def open_memory(tmp_path: Path) -> AsyncIterator[MemoryOpener]:
    opened: list[Memory] = []

    async def open_one(*, threshold: float = 0.0, model: LanguageModel | None = None) -> Memory:
        for one in opened:
            await one.close()
        opened.append(Memory(tmp_path, threshold=threshold, model=model))
        await opened[-1].storage.open(StoreIdentity("tiny", DIMENSION))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
async def memory(open_memory: MemoryOpener) -> Memory:
    return await open_memory()

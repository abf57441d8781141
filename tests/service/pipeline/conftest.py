"""What tests of the pipeline share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from simplemem_service.embedding.local import LocalEmbedding


@pytest.fixture(scope="session")
def minilm() -> Iterator[LocalEmbedding]:
    """The real model, loaded once."""
    embedding = LocalEmbedding("all-MiniLM-L6-v2", is_offline=True)
    asyncio.run(embedding.load())
    yield embedding
    asyncio.run(embedding.close())

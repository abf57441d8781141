"""The encoder thread: order, priority, batches, bounds and failures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from simplemem_service.embedding import batching
from simplemem_service.embedding.batching import Batcher
from simplemem_service.errors import EmbeddingError, OverloadedError


class Encoder:
    """Encodes a text as its length; records its calls and waits where it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.failure: Exception | None = None

    def queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self._encode("query", texts)

    def documents(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self._encode("document", texts)

    def split(self, texts: Sequence[str]) -> list[list[int]]:
        return [list(range(start, min(start + 2, len(texts)))) for start in range(0, len(texts), 2)]

    def _encode(self, kind: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.calls.append((kind, list(texts)))
        assert self.gate.wait(10)
        if self.failure is not None:
            raise self.failure
        return np.array([[len(text)] for text in texts], dtype=np.float32)


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
def batcher(encoder: Encoder) -> Iterator[Batcher]:
    batcher = Batcher(encoder.queries, encoder.documents, encoder.split)
    yield batcher
    encoder.gate.set()
    batcher.close()


async def until_called(encoder: Encoder, calls: int = 1) -> None:
    while len(encoder.calls) < calls:
        await asyncio.sleep(0)


async def test_documents_come_back_in_their_order(batcher: Batcher) -> None:
    vectors = await batcher.encode_documents(["a", "bb", "ccc", "dddd", "eeeee"])
    assert [float(vector[0]) for vector in vectors] == [1, 2, 3, 4, 5]
    assert await batcher.encode_documents([]) == []


async def test_questions_go_before_documents_and_together(batcher: Batcher, encoder: Encoder) -> None:
    encoder.gate.clear()
    documents = asyncio.create_task(batcher.encode_documents(["a", "b", "c", "d"]))
    await until_called(encoder)
    questions = [asyncio.create_task(batcher.encode_query(text)) for text in ("x", "yy", "x")]
    await asyncio.sleep(0)
    encoder.gate.set()
    assert [float(vector[0]) for vector in await asyncio.gather(*questions)] == [1, 2, 1]
    await documents
    assert encoder.calls == [("document", ["a", "b"]), ("query", ["x", "yy"]), ("document", ["c", "d"])]


async def test_a_failure_reaches_the_one_who_asked_and_nobody_else(batcher: Batcher, encoder: Encoder) -> None:
    encoder.failure = EmbeddingError("no")
    with pytest.raises(EmbeddingError):
        await batcher.encode_query("x")
    with pytest.raises(EmbeddingError):
        await batcher.encode_documents(["a", "b", "c"])
    encoder.failure = None
    assert float((await batcher.encode_query("xyz"))[0]) == 3
    assert len(await batcher.encode_documents(["a", "b", "c"])) == 3


async def test_too_many_questions_are_refused(
    batcher: Batcher, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "MOST_QUERIES", 2)
    encoder.gate.clear()
    first = asyncio.create_task(batcher.encode_query("first"))
    await until_called(encoder)
    waiting = [asyncio.create_task(batcher.encode_query(f"{number}")) for number in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="2 questions"):
        await batcher.encode_query("one too many")
    encoder.gate.set()
    assert len(await asyncio.gather(first, *waiting)) == 3


async def test_too_many_documents_are_refused_but_one_large_job_is_not(
    batcher: Batcher, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "MOST_DOCUMENTS", 3)
    encoder.gate.clear()
    large = asyncio.create_task(batcher.encode_documents(["a"] * 5))
    await until_called(encoder)
    with pytest.raises(OverloadedError, match="5 texts"):
        await batcher.encode_documents(["b"])
    encoder.gate.set()
    assert len(await large) == 5
    assert len(await batcher.encode_documents(["b"])) == 1


async def test_who_gives_up_holds_up_nobody(batcher: Batcher, encoder: Encoder) -> None:
    encoder.gate.clear()
    documents = asyncio.create_task(batcher.encode_documents(["a", "b", "c", "d", "e"]))
    await until_called(encoder)
    question = asyncio.create_task(batcher.encode_query("x"))
    await asyncio.sleep(0)
    question.cancel()
    documents.cancel()
    encoder.gate.set()
    assert float((await batcher.encode_query("four"))[0]) == 4
    assert float((await batcher.encode_documents(["seven77"]))[0][0]) == 7


async def test_closing_refuses_those_who_wait_and_all_who_come(encoder: Encoder) -> None:
    batcher = Batcher(encoder.queries, encoder.documents, encoder.split)
    encoder.gate.clear()
    first = asyncio.create_task(batcher.encode_query("first"))
    await until_called(encoder)
    waiting = asyncio.create_task(batcher.encode_documents(["a"]))
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(batcher.close))
    await asyncio.sleep(0.05)
    encoder.gate.set()
    await closing
    assert float((await first)[0]) == 5
    with pytest.raises(OverloadedError):
        await waiting
    with pytest.raises(OverloadedError):
        await batcher.encode_query("late")
    with pytest.raises(OverloadedError):
        await batcher.encode_documents(["late"])

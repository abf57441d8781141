"""An embedding model that a provider serves, called over the network and paid for.

Here is decided how calls are cut, spaced, tried again and believed; a `Provider` makes a single call. Questions have
calls of their own, so none waits behind documents, and one that the provider does not answer in time is an error: a
late vector is worth less than a retry elsewhere. Documents are tried several times, and what was paid for before a
failure is kept, so the writer's next try goes on from there.

A vector of another length than the first one, or none at all where one was asked for, is never believed. That and a
refusal, such as for a wrong key, count as passing: turns wait in the journal until it is mended.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import numpy as np
from typing_extensions import override

from simplemem_service.breaker import CircuitBreaker
from simplemem_service.embedding.base import Embedding
from simplemem_service.embedding.batching import MOST_DOCUMENTS, MOST_QUERIES
from simplemem_service.embedding.model_files import find_prefixes
from simplemem_service.embedding.vector_cache import VectorCache
from simplemem_service.errors import (
    EmbeddingError,
    EmbeddingRefusedError,
    EmbeddingUnavailableError,
    OverloadedError,
)
from simplemem_service.models.entry import Vector

BATCH_TEXTS = 32
"""Texts of one call. Every provider takes them (Cohere takes 96 at most), and reading the answer, 0.4 MB at 3072
dimensions, keeps the process from nothing else for long."""
BATCH_CHARS = 32_000
"""Characters of one call, about 8,000 tokens, which is what providers take together at least."""
DOCUMENT_CALLS = 8
"""Calls for documents at a time."""
QUERY_CALLS = 32
"""Calls for questions at a time; each has one question."""
TRIES = 4
"""Tries of a call for documents."""
QUERY_TRIES = 2
"""Tries of a call for a question, within `QUERY_LIMIT`."""
QUERY_LIMIT = timedelta(seconds=3)
"""How long a question may wait for its vector; providers take .1 to .5 s. Without one it is answered by words."""
LONGEST_WAIT_SECONDS = 60.0
"""Longest pause that a provider may ask for, in seconds."""
FIRST_PAUSE_SECONDS = 1.0
"""Pause after the first failure, in seconds; doubled by each further one."""
CACHED_BYTES = 32 * 1024**2
"""Size of the vectors that are remembered: 20,000 of 384 dimensions, 2,700 of 3072."""
GREETING = "Is anybody there?"
"""What the provider is asked at the start: its answer tells the length of the vectors."""
BLANK = "."
"""Sent in place of a text without letters, which providers refuse."""


class Provider(ABC):
    """Calls an embedding model once. Errors are `EmbeddingUnavailableError`s and `EmbeddingError`s."""

    @abstractmethod
    async def open(self) -> None:
        """Do what takes long before the first call waits for it."""

    @abstractmethod
    async def embed(self, texts: Sequence[str], *, is_query: bool) -> list[Vector]:
        """Vectors of texts, in their order, float32, of any length; what they cost is noted."""

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """Length of a text in tokens, after `open`."""

    @abstractmethod
    def cut(self, text: str) -> str:
        """The beginning of a text that the model takes, after `open`."""


class ApiEmbedding(Embedding):
    """A provider's embedding model.

    Parameters
    ----------
    model
        LiteLLM name, as the MemoryStore spells it.
    provider
        Makes a single call.
    first_pause_seconds
        Pause after the first failure.
    clock
        Seconds that only grow.
    """

    def __init__(
        self,
        model: str,
        provider: Provider,
        *,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self.dimension = 0
        self._provider = provider
        self._prefixes = find_prefixes(model)
        self._first_pause = first_pause_seconds
        self._clock = clock
        self._held_until = 0.0
        self._query_slots = asyncio.Semaphore(QUERY_CALLS)
        self._document_slots = asyncio.Semaphore(DOCUMENT_CALLS)
        self._breaker = CircuitBreaker(clock)
        self._waiting_queries = 0
        self._waiting_documents = 0
        self._queries = self._documents = VectorCache(0)

    @override
    async def load(self) -> None:
        """Ask for one vector, whose length is that of all; raises `EmbeddingUnavailableError` if there is none."""
        await self._provider.open()
        (vector,) = await self._provider.embed([GREETING], is_query=True)
        self.dimension = len(vector)
        capacity = CACHED_BYTES // vector.nbytes
        self._queries, self._documents = VectorCache(capacity // 4), VectorCache(capacity)

    @override
    async def encode_documents(self, texts: Sequence[str]) -> list[Vector]:
        """Unit vectors of texts to be stored, in their order; a text is paid for once however often it stands there."""
        known = self._documents.read(set(texts))
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if self._waiting_documents and self._waiting_documents + len(missing) > MOST_DOCUMENTS:
            raise OverloadedError(f"{self._waiting_documents} texts wait for '{self.model}'; try again in a minute")
        self._waiting_documents += len(missing)
        calls = [asyncio.create_task(self._encode_batch(batch)) for batch in self._batches(missing)]
        try:
            for vectors in await asyncio.gather(*calls):
                known |= vectors
        finally:
            self._waiting_documents -= len(missing)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        return [known[text] for text in texts]

    @override
    async def encode_query(self, text: str) -> Vector:
        """Unit vector of a question.

        Raises `EmbeddingUnavailableError` where there is none within `QUERY_LIMIT`, and at once where that happened
        some times in a row lately.
        """
        known = self._queries.read([text]).get(text)
        if known is not None:
            return known
        if self._waiting_queries >= MOST_QUERIES:
            raise OverloadedError(f"{self._waiting_queries} questions wait for '{self.model}'; try again in a second")
        if not self._breaker.is_allowed():
            raise EmbeddingUnavailableError(f"model '{self.model}' failed lately; it is asked again soon")
        self._waiting_queries += 1
        try:
            async with asyncio.timeout(QUERY_LIMIT.total_seconds()):
                (vector,) = await self._call([self._prefixes.query + text], is_query=True, tries=QUERY_TRIES)
        except TimeoutError as error:
            self._breaker.fail()
            raise EmbeddingUnavailableError(
                f"model '{self.model}' did not answer within {QUERY_LIMIT.total_seconds():g} s"
            ) from error
        except EmbeddingUnavailableError:
            self._breaker.fail()
            raise
        finally:
            self._waiting_queries -= 1
        self._breaker.succeed()
        self._queries.write({text: vector})
        return vector

    @override
    def count_tokens(self, text: str) -> int:
        """Length of a text by OpenAI's tokenizer; other providers' differ by some percent."""
        self._confirm_loaded()
        return self._provider.count_tokens(text)

    @override
    def known_share(self, text: str) -> float:
        """1: providers' models know every script."""
        return 1.0

    @override
    def forget(self) -> None:
        self._queries.clear()
        self._documents.clear()

    async def _encode_batch(self, texts: Sequence[str]) -> dict[str, Vector]:
        prefixed = [self._prefixes.document + text for text in texts]
        vectors = dict(zip(texts, await self._call(prefixed, is_query=False, tries=TRIES), strict=True))
        self._documents.write(vectors)
        return vectors

    async def _call(self, texts: Sequence[str], *, is_query: bool, tries: int) -> list[Vector]:
        self._confirm_loaded()
        sent = [self._provider.cut(text) if text.strip() else BLANK for text in texts]
        for attempt in range(1, tries + 1):
            try:
                async with self._turn(self._query_slots if is_query else self._document_slots):
                    found = await self._provider.embed(sent, is_query=is_query)
                return self._checked(found, len(texts))
            except EmbeddingRefusedError:
                raise
            except EmbeddingUnavailableError as error:
                if error.retry_after_seconds is not None:
                    self._hold_back(error.retry_after_seconds)
                if attempt == tries:
                    raise
                await asyncio.sleep(self._pause(attempt))
        raise AssertionError("a call has at least one try")

    @asynccontextmanager
    async def _turn(self, slots: asyncio.Semaphore) -> AsyncIterator[None]:
        """Wait until a call may be made, and hold its place."""
        async with slots:
            await asyncio.sleep(max(0.0, self._held_until - self._clock()))
            yield

    def _checked(self, vectors: Sequence[Vector], count: int) -> list[Vector]:
        """Unit vectors of what a provider gave. Raises `EmbeddingRefusedError` where that is not what was asked for."""
        lengths = sorted({len(vector) for vector in vectors})
        if len(vectors) != count or lengths != [self.dimension]:
            raise EmbeddingRefusedError(
                f"model '{self.model}' gave {len(vectors)} vectors of {lengths} dimensions for {count} texts; "
                f"they must have {self.dimension}"
            )
        matrix = np.stack(vectors).astype(np.float32)
        sizes = np.linalg.norm(matrix, axis=1, keepdims=True)
        if not np.all(np.isfinite(sizes)) or not np.all(sizes > 0):
            raise EmbeddingRefusedError(f"model '{self.model}' gave a vector without direction")
        return list(matrix / sizes)

    def _confirm_loaded(self) -> None:
        if not self.dimension:
            raise EmbeddingError(f"embedding model '{self.model}' is not loaded yet")

    def _hold_back(self, seconds: float) -> None:
        """Begin no call for a while, since the provider asked for it."""
        self._held_until = max(self._held_until, self._clock() + min(seconds, LONGEST_WAIT_SECONDS))

    def _pause(self, failures: int) -> float:
        longest: float = self._first_pause * 2 ** (failures - 1)
        return random.uniform(0.5, 1) * longest  # noqa: S311 - spreads retries, no secret

    @staticmethod
    def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        size = 0
        for text in texts:
            if batch and (len(batch) == BATCH_TEXTS or size + len(text) > BATCH_CHARS):
                yield batch
                batch, size = [], 0
            batch.append(text)
            size += len(text)
        if batch:
            yield batch

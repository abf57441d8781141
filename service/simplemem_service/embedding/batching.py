"""One encoder thread for a whole process: questions before documents, concurrent questions in one batch.

The model runs in a single thread, which keeps the processor's caches and torch's own threads to itself. Documents are
worked off in short batches, so that a question waits for one of them at most, a few tens of milliseconds.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from simplemem_service.errors import OverloadedError
from simplemem_service.models.entry import Vector

MOST_QUERIES = 256
"""Questions that may wait; beyond it the answer is an error, since a late vector is worth less than a retry
elsewhere."""
MOST_DOCUMENTS = 65_536
"""Texts to be stored that may wait, about ten minutes of work; beyond it the writer must hold back."""
QUERY_BATCH = 32
"""Questions encoded together."""
CLOSED = "the encoder is shutting down; another pod will answer"
"""What those hear who come too late."""

Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Vectors of a batch of texts, shape (texts, dimension), float32."""
Split = Callable[[Sequence[str]], list[list[int]]]
"""Places of texts grouped into batches of about equal work."""


@dataclass(slots=True)
class _Job:
    """Documents of one caller."""

    texts: Sequence[str]
    """What is to be encoded."""
    batches: deque[list[int]]
    """Places still to be done, batch by batch."""
    vectors: list[Vector]
    """Vectors done so far, by place."""
    done: Future[list[Vector]] = field(default_factory=Future)
    """Resolved when no batch is left."""


class Batcher:
    """Encodes on one thread; usable from any number of tasks.

    Parameters
    ----------
    encode_queries, encode_documents
        Called on the encoder thread only.
    split
        How documents are cut into batches; called on the encoder thread too.
    """

    def __init__(self, encode_queries: Encode, encode_documents: Encode, split: Split) -> None:
        self._encode_queries = encode_queries
        self._encode_documents = encode_documents
        self._split = split
        self._changed = threading.Condition()
        self._queries: deque[tuple[str, Future[Vector]]] = deque()
        self._jobs: deque[_Job] = deque()
        self._waiting_documents = 0
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="encoder", daemon=True)
        self._thread.start()

    async def encode_query(self, text: str) -> Vector:
        """Vector of a question; raises `OverloadedError` when too many wait."""
        done: Future[Vector] = Future()
        with self._changed:
            self._refuse_if_closed()
            if len(self._queries) >= MOST_QUERIES:
                raise OverloadedError(f"{len(self._queries)} questions wait for the encoder; try again in a second")
            self._queries.append((text, done))
            self._changed.notify()
        return await asyncio.wrap_future(done)

    async def encode_documents(self, texts: Sequence[str]) -> list[Vector]:
        """Vectors of texts to be stored, in their order; raises `OverloadedError` when too many wait."""
        if not texts:
            return []
        job = _Job(texts, deque(), [np.empty(0, dtype=np.float32)] * len(texts))
        with self._changed:
            self._refuse_if_closed()
            if self._waiting_documents and self._waiting_documents + len(texts) > MOST_DOCUMENTS:
                raise OverloadedError(f"{self._waiting_documents} texts wait for the encoder; try again in a minute")
            self._waiting_documents += len(texts)
            self._jobs.append(job)
            self._changed.notify()
        return await asyncio.wrap_future(job.done)

    def close(self) -> None:
        """End the thread after the batch under way; whoever still waits gets `OverloadedError`."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queries or self._jobs or self._is_closed)
                if self._is_closed:
                    self._refuse_all()
                    return
                queries = [self._queries.popleft() for _ in range(min(QUERY_BATCH, len(self._queries)))]
                job = self._jobs[0] if self._jobs and not queries else None
            if queries:
                self._run_queries(queries)
            elif job is not None:
                self._run_batch(job)

    def _run_queries(self, queries: Sequence[tuple[str, Future[Vector]]]) -> None:
        wanted = [(text, done) for text, done in queries if done.set_running_or_notify_cancel()]
        if not wanted:
            return
        texts = list(dict.fromkeys(text for text, _ in wanted))
        try:
            vectors = dict(zip(texts, self._encode_queries(texts), strict=True))
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to those who wait
            for _, done in wanted:
                done.set_exception(error)
            return
        for text, done in wanted:
            done.set_result(vectors[text])

    def _run_batch(self, job: _Job) -> None:
        """Encode one batch of a job; the first one cuts the job into batches."""
        try:
            if not job.batches:
                job.batches.extend(self._split(job.texts))
            places = job.batches.popleft()
            for place, vector in zip(places, self._encode_documents([job.texts[i] for i in places]), strict=True):
                job.vectors[place] = vector
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the one who waits
            self._finish(job, error)
            return
        if not job.batches or job.done.cancelled():
            self._finish(job, None)

    def _finish(self, job: _Job, error: BaseException | None) -> None:
        with self._changed:
            self._jobs.popleft()
            self._waiting_documents -= len(job.texts)
        if not job.done.set_running_or_notify_cancel():
            return
        if error is not None:
            job.done.set_exception(error)
        else:
            job.done.set_result(job.vectors)

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise OverloadedError(CLOSED)

    def _refuse_all(self) -> None:
        futures: list[Future[Any]] = [done for _, done in self._queries] + [job.done for job in self._jobs]
        for done in futures:
            if done.set_running_or_notify_cancel():
                done.set_exception(OverloadedError(CLOSED))
        self._queries.clear()
        self._jobs.clear()

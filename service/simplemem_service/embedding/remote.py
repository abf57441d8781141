"""Texts to be stored are encoded by the store's embedding pods while there are any, and here while there are none.

Such pods sit on GPU nodes that come with a backlog and go after it, or when a cloud takes a spot node back. So nothing
here waits for one: a batch that a pod does not answer within `TIME_LIMIT` is tried with one other pod, then encoded
here, and the pod is left alone for `PAUSE`. Questions are always encoded here.

Vectors of both sides end up in one table, and here the network runs in 8-bit integers, there in bfloat16 or float32.
For the models of the catalogue both agree at a cosine of .99 and more. A pod that comes up is given `GREETING` first,
and no text before its vector has agreed with ours: another model behind the same name is never believed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import numpy as np
from typing_extensions import override

from simplemem_service import constants
from simplemem_service.embedding.base import Embedding
from simplemem_service.embedding.remote_call import RemoteEmbeddingError, request_vectors
from simplemem_service.embedding.vector_cache import VectorCache
from simplemem_service.models.entry import Vector
from simplemem_service.telemetry import Metrics

logger = logging.getLogger(__name__)

Address = tuple[str, int]
"""Host and port of a pod."""

BATCH_TEXTS = 128
"""Texts of one request: a quarter of a second on a T4, so that little is done twice when a pod is taken away."""
IN_FLIGHT = 2
"""Requests that a pod has at a time: one that it works on, and one that travels."""
TIME_LIMIT = timedelta(seconds=10)
"""How long a request may take; a T4 takes less than a second, and the batch takes three here."""
CONNECT_LIMIT = timedelta(seconds=1)
"""How long a connection may take to be made: the address of a node that is gone gives no answer at all."""
PAUSE = timedelta(seconds=10)
"""How long a pod that failed is left alone."""
DISTRUST_PAUSE = timedelta(minutes=10)
"""How long a pod whose vectors differ is left alone: it would have to be replaced first."""
LOOK_UP = timedelta(seconds=2)
"""How long the list of pods is believed; cluster DNS itself is some seconds behind."""
PODS_TRIED = 2
"""Pods that a batch is tried with before it is encoded here."""
AGREEMENT = 0.98
"""Cosine to our own vector of `GREETING` from which a pod is believed; the same model gives .99 and more, another one
.3 and less."""
GREETING = "Ada moved to Lisbon in March and works for the city's library."
"""Sentence by which a pod shows that it runs our model."""
CACHED_VECTORS = 20_000
"""Sentences whose vectors are remembered, as in the model itself."""

LookUp = Callable[[str, int], Awaitable[list[Address]]]
"""Addresses behind a name; none where it does not exist now."""


@dataclass(slots=True)
class _Pod:
    """An embedding pod as this process knows it."""

    address: Address
    """Where it is."""
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))
    """Requests that it may be sent now."""
    waiting: int = 0
    """Batches that it has or is going to get."""
    paused_until: float = 0.0
    """Until when it is left alone, on the monotonic clock."""
    is_trusted: bool = False
    """Whether its vector of the greeting has agreed with ours."""


async def look_up(host: str, port: int) -> list[Address]:
    """Addresses of all pods behind a headless Service; none while it has no ready pod."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys((str(address[0]), port) for *_, address in found))


class RemoteEmbedding(Embedding):
    """Gives texts to be stored to the embedding pods, and to the model of this process where no pod takes them.

    Parameters
    ----------
    local
        The model of this process.
    addresses
        Names and ports behind which pods may be; a name may stand for any number of them.
    read_token
        Bearer token for the pods, read at each request; None for none. Blocking, for as long as a small file takes.
    metrics
        Where texts are counted.
    """

    def __init__(
        self,
        local: Embedding,
        addresses: Sequence[Address],
        metrics: Metrics,
        *,
        read_token: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        find: LookUp = look_up,
    ) -> None:
        self._local = local
        self._addresses = addresses
        self._metrics = metrics
        self._read_token = read_token
        self._clock = clock
        self._find = find
        self._cache = VectorCache(CACHED_VECTORS)
        self._pods: dict[Address, _Pod] = {}
        self._looked_up_at = float("-inf")
        self._looking = asyncio.Lock()
        self._greeting: Vector | None = None
        self._client: httpx.AsyncClient | None = None
        self.model = local.model
        self.dimension = 0

    @override
    async def load(self) -> None:
        await self._local.load()
        self.dimension = self._local.dimension
        limit = httpx.Timeout(TIME_LIMIT.total_seconds(), connect=CONNECT_LIMIT.total_seconds())
        # No proxy of the environment stands between pods.
        self._client = httpx.AsyncClient(timeout=limit, trust_env=False)

    @override
    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
        await self._local.close()

    @override
    def forget(self) -> None:
        self._cache.clear()
        self._local.forget()

    @override
    async def encode_query(self, text: str) -> Vector:
        return await self._local.encode_query(text)

    @override
    def count_tokens(self, text: str) -> int:
        return self._local.count_tokens(text)

    @override
    def known_share(self, text: str) -> float:
        return self._local.known_share(text)

    @override
    async def encode_documents(self, texts: Sequence[str]) -> list[Vector]:
        known = self._cache.read(set(texts))
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if not missing or not await self._find_pods():
            known.update(zip(missing, await self._encode_here(missing), strict=True))
            return [known[text] for text in texts]
        # Pods refuse what no engine takes; here it costs next to nothing.
        odd = [text for text in missing if not text.strip() or len(text) > constants.TEXT_MAX_CHARS]
        plain = [text for text in missing if text.strip() and len(text) <= constants.TEXT_MAX_CHARS]
        batches = [odd, *(plain[start : start + BATCH_TEXTS] for start in range(0, len(plain), BATCH_TEXTS))]
        answers = await asyncio.gather(self._encode_here(odd), *(self._encode_batch(batch) for batch in batches[1:]))
        for batch, vectors in zip(batches, answers, strict=True):
            known.update(zip(batch, vectors, strict=True))
        self._cache.write({text: known[text] for text in plain})
        return [known[text] for text in texts]

    async def _encode_here(self, texts: Sequence[str]) -> list[Vector]:
        if not texts:
            return []
        self._metrics.encoded_texts_total.labels("here").inc(len(texts))
        return await self._local.encode_documents(texts)

    async def _encode_batch(self, texts: Sequence[str]) -> list[Vector]:
        for _ in range(PODS_TRIED):
            pods = await self._find_pods()
            if not pods:
                break
            pod = min(pods, key=lambda pod: pod.waiting)
            vectors = await self._ask(pod, texts)
            if vectors is not None:
                self._metrics.encoded_texts_total.labels("pods").inc(len(texts))
                return vectors
        return await self._encode_here(texts)

    async def _ask(self, pod: _Pod, texts: Sequence[str]) -> list[Vector] | None:
        """Vectors from a pod; None where it does not give them, or another batch has found that it does not."""
        pod.waiting += 1
        try:
            async with pod.slots:
                if self._clock() < pod.paused_until or not await self._is_trusted(pod):
                    return None
                return await self._request(pod, texts)
        except (httpx.HTTPError, RemoteEmbeddingError) as error:
            self._pause(pod, PAUSE, f"{type(error).__name__}: {error}"[:256])
            return None
        finally:
            pod.waiting -= 1

    async def _is_trusted(self, pod: _Pod) -> bool:
        if pod.is_trusted:
            return True
        if self._greeting is None:
            (self._greeting,) = await self._local.encode_documents([GREETING])
        (theirs,) = await self._request(pod, [GREETING])
        cosine = float(np.dot(theirs, self._greeting))
        pod.is_trusted = cosine >= AGREEMENT
        if not pod.is_trusted:
            self._pause(pod, DISTRUST_PAUSE, f"vectors of another model: cosine {cosine:.3f}, must be {AGREEMENT}")
        else:
            logger.info("embedding pod takes texts", extra={"pod": pod.address[0]})
        return pod.is_trusted

    async def _request(self, pod: _Pod, texts: Sequence[str]) -> list[Vector]:
        if self._client is None:
            raise RemoteEmbeddingError("not loaded yet")
        host, port = pod.address
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}/v1/embeddings"
        try:
            async with asyncio.timeout(TIME_LIMIT.total_seconds()):
                token = await asyncio.to_thread(self._read_token)
                return await request_vectors(self._client, url, self.model, self.dimension, texts, token)
        except TimeoutError as error:
            raise RemoteEmbeddingError(f"no answer within {TIME_LIMIT.total_seconds():.0f} s") from error

    def _pause(self, pod: _Pod, pause: timedelta, error: str) -> None:
        is_news = self._clock() >= pod.paused_until
        pod.paused_until = self._clock() + pause.total_seconds()
        # A pod that comes back may have been replaced.
        pod.is_trusted = False
        if is_news:
            logger.warning("embedding pod left out for now", extra={"pod": pod.address[0], "error": error})

    async def _find_pods(self) -> list[_Pod]:
        """Pods that may be sent texts now."""
        async with self._looking:
            if self._clock() - self._looked_up_at >= LOOK_UP.total_seconds():
                answers = [await self._find(host, port) for host, port in self._addresses]
                found = [address for answer in answers for address in answer]
                self._pods = {address: self._pods.get(address) or _Pod(address) for address in found}
                self._looked_up_at = self._clock()
        now = self._clock()
        return [pod for pod in self._pods.values() if now >= pod.paused_until]

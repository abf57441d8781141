"""An embedding model whose questions are timed, and whose work is traced."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry import trace
from typing_extensions import override

from simplemem_service.embedding.base import Embedding
from simplemem_service.models.entry import Vector
from simplemem_service.telemetry import Metrics

tracer = trace.get_tracer(__name__)


class MeasuredEmbedding(Embedding):
    """Passes everything on to a model and counts what questions take.

    Parameters
    ----------
    inner
        The model.
    metrics
        Where the times go.
    """

    def __init__(self, inner: Embedding, metrics: Metrics) -> None:
        self._inner = inner
        self._metrics = metrics
        self.model = inner.model
        self.dimension = 0

    @override
    async def load(self) -> None:
        await self._inner.load()
        self.dimension = self._inner.dimension

    @override
    async def close(self) -> None:
        await self._inner.close()

    @override
    def forget(self) -> None:
        self._inner.forget()

    @override
    async def encode_documents(self, texts: Sequence[str]) -> list[Vector]:
        with tracer.start_as_current_span("encode texts", attributes={"simplemem.texts": len(texts)}):
            return await self._inner.encode_documents(texts)

    @override
    async def encode_query(self, text: str) -> Vector:
        with self._metrics.encode_seconds.time(), tracer.start_as_current_span("encode question"):
            return await self._inner.encode_query(text)

    @override
    def count_tokens(self, text: str) -> int:
        return self._inner.count_tokens(text)

    @override
    def known_share(self, text: str) -> float:
        return self._inner.known_share(text)

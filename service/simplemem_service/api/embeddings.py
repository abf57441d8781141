"""OpenAI's embeddings call, so that any engine can stand behind it.

Texts of all requests in progress are encoded in common batches (`embedding/batching.py`); how many requests may be in
progress is bounded, since a vector that comes late is worth less than a try elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence

import numpy as np
from fastapi import APIRouter

from simplemem_service.api.context import Reader, ServiceOf
from simplemem_service.api.embedding_schemas import (
    EmbeddingOut,
    EmbeddingsIn,
    EmbeddingsOut,
    EncodingFormat,
    UsageOut,
)
from simplemem_service.constants import EMBEDDING_TEXTS_MAX
from simplemem_service.embedding.base import Embedding
from simplemem_service.errors import InvalidInputError, NotReadyError, OverloadedError
from simplemem_service.models.entry import Vector

router = APIRouter(tags=["embed"])


@router.post("/v1/embeddings", summary="Vectors of texts")
async def post_embeddings(_caller: Reader, body: EmbeddingsIn, service: ServiceOf) -> EmbeddingsOut:
    """Unit vectors, in the order of the texts; a text longer than the model's window is cut to it."""
    embedding = service.embedding
    if embedding is None or not service.health.is_open:
        raise NotReadyError(f"the service is starting: {service.health.explain()}")
    if body.dimensions not in (None, embedding.dimension):
        found = f"dimensions: model '{embedding.model}' has {embedding.dimension}, not {body.dimensions}"
        raise InvalidInputError("dimensions", found)
    texts = [body.input] if isinstance(body.input, str) else body.input
    if service.encoding and service.encoding + len(texts) > EMBEDDING_TEXTS_MAX:
        raise OverloadedError(f"{service.encoding} texts wait for the encoder; try again")
    service.encoding += len(texts)
    service.encoded.add(len(texts))
    try:
        vectors = await embedding.encode_documents(texts)
    finally:
        service.encoding -= len(texts)
    return await asyncio.to_thread(_reply, embedding, texts, vectors, body.encoding_format)


def _reply(
    embedding: Embedding, texts: Sequence[str], vectors: Sequence[Vector], encoding: EncodingFormat
) -> EmbeddingsOut:
    tokens = sum(embedding.count_tokens(text) for text in texts)
    data = [
        EmbeddingOut.model_construct(index=index, embedding=_encode(vector, encoding))
        for index, vector in enumerate(vectors)
    ]
    usage = UsageOut(prompt_tokens=tokens, total_tokens=tokens)
    return EmbeddingsOut.model_construct(data=data, model=embedding.model, usage=usage)


def _encode(vector: Vector, encoding: EncodingFormat) -> list[float] | str:
    if encoding is EncodingFormat.BASE64:
        return base64.b64encode(vector.astype(np.dtype("<f4")).tobytes()).decode("ascii")
    numbers: list[float] = vector.tolist()
    return numbers

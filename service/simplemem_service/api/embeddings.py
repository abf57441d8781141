"""OpenAI's embeddings call, so that any engine can stand behind it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from simplemem_service.api.context import Caller, ServiceOf
from simplemem_service.api.schemas import EmbeddingsIn
from simplemem_service.errors import NotReadyError

router = APIRouter(tags=["embed"])


@router.post("/v1/embeddings", summary="Vectors of texts")
async def post_embeddings(body: EmbeddingsIn, service: ServiceOf, _caller: Caller) -> dict[str, Any]:
    """Unit vectors, in the order of the texts."""
    embedding = service.embedding
    if embedding is None or not service.health.is_open:
        raise NotReadyError(f"the service is starting: {service.health.explain()}")
    texts = [body.input] if isinstance(body.input, str) else body.input
    vectors = await embedding.encode_documents(texts)
    tokens = sum(embedding.count_tokens(text) for text in texts)
    data = [{"object": "embedding", "index": n, "embedding": vector.tolist()} for n, vector in enumerate(vectors)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": embedding.model, "usage": usage}

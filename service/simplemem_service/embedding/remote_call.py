"""OpenAI's embeddings call as a client makes it, checked before it is believed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np

from simplemem_service.models.entry import Vector

UNIT_DEVIATION = 0.01
"""How far the length of a vector may lie from 1."""


class RemoteEmbeddingError(Exception):
    """The engine answered, and not with the vectors that were asked for. Never leaves the embedding package."""


async def request_vectors(  # noqa: PLR0917 - the parts of the call, in their usual order
    client: httpx.AsyncClient, url: str, model: str, dimension: int, texts: Sequence[str], token: str | None
) -> list[Vector]:
    """Unit vectors of texts, in their order.

    Raises `httpx.HTTPError` where the call fails, `RemoteEmbeddingError` where its answer is no such thing.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {"model": model, "input": list(texts), "encoding_format": "base64"}
    answer = await client.post(url, json=body, headers=headers)
    if answer.status_code != httpx.codes.OK:
        raise RemoteEmbeddingError(f"HTTP {answer.status_code}")
    try:
        data: list[dict[str, Any]] = answer.json()["data"]
        vectors = [_decode(one["embedding"]) for one in sorted(data, key=lambda one: int(one["index"]))]
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise RemoteEmbeddingError(f"no reply of an embeddings call: {type(error).__name__}") from error
    if len(vectors) != len(texts) or any(len(vector) != dimension for vector in vectors):
        found = sorted({len(vector) for vector in vectors})
        raise RemoteEmbeddingError(
            f"{len(vectors)} vectors of {found} dimensions for {len(texts)} texts; must have {dimension}"
        )
    lengths = np.linalg.norm(np.stack(vectors), axis=1)
    if not np.all(np.abs(lengths - 1) <= UNIT_DEVIATION):
        raise RemoteEmbeddingError("vectors of a length other than 1")
    return vectors


def _decode(value: str | list[float]) -> Vector:
    if isinstance(value, list):
        return np.asarray(value, dtype=np.float32)
    return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float32)

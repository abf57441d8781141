"""Calls an embedding model through LiteLLM; turns its exceptions into ours and notes what each call costs."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from simplemem_service.embedding.api_embedding import Provider
from simplemem_service.errors import EmbeddingError, EmbeddingRefusedError, EmbeddingUnavailableError
from simplemem_service.llm.litellm_library import (
    describe,
    foreign_errors,
    is_own,
    load_library,
    own_server,
    retry_after,
)
from simplemem_service.llm.prices import Price, find_embedding_price
from simplemem_service.llm.spending import Spending
from simplemem_service.models.entry import Vector
from simplemem_service.telemetry import Metrics

INPUT_TYPES = {
    "cohere": ("search_query", "search_document"),
    "voyage": ("query", "document"),
    "nvidia_nim": ("query", "passage"),
}
"""What providers call a question and a document, where their models tell them apart, as their references say."""
OPENAI = "openai"
"""The provider whose protocol can send vectors as bytes, a quarter of their size as text; its tokens can be counted."""
DEFAULT_LONGEST = 512
"""Tokens that a model takes where no catalogue says; the usual length of models on one's own server."""
OTHER_SHARE = 0.7
"""Share of a model's length that is used where another tokenizer than its own counts."""


class LiteLlmEmbeddings(Provider):
    """One embedding model.

    Parameters
    ----------
    model
        LiteLLM name.
    api_base
        Address of an OpenAI-compatible server; None: the provider's own.
    timeout_seconds
        How long one call may take.
    spending
        Where its use is noted.
    metrics
        Where failures are counted.
    """

    def __init__(
        self, model: str, api_base: str | None, timeout_seconds: float, spending: Spending, metrics: Metrics
    ) -> None:
        self._model = model
        self._api_base = api_base
        self._timeout = timeout_seconds
        self._spending = spending
        self._metrics = metrics
        self._library: Any = None
        self._kind = OPENAI
        self._price: Price | None = None
        self._longest = DEFAULT_LONGEST

    @override
    async def open(self) -> None:
        """Import LiteLLM and look the model up; raises `EmbeddingRefusedError` if it names no provider."""
        if self._library is None:
            self._library = await asyncio.to_thread(self._look_up)

    @override
    async def embed(self, texts: Sequence[str], *, is_query: bool) -> list[Vector]:
        """Vectors of texts, in their order; the provider's words in an error hold no key.

        LiteLLM's own exception is left out of the chain, since a logged traceback would print it with whatever the
        server said.
        """
        library = self._library
        try:
            async with asyncio.timeout(self._timeout):
                reply = await library.aembedding(**self._arguments(texts, is_query=is_query))
            vectors, tokens = _read_reply(reply)
        except TimeoutError:
            error = EmbeddingUnavailableError(f"model '{self._model}' did not answer within {self._timeout:g} s")
            raise self._counted(error) from None
        except foreign_errors(library) as foreign:
            raise self._counted(_converted(library, self._model, foreign)) from None
        await self._spending.record(self._model, self._price, tokens or sum(map(self.count_tokens, texts)))
        return vectors

    @override
    def count_tokens(self, text: str) -> int:
        return len(self._library.encoding.encode_ordinary(text))

    @override
    def cut(self, text: str) -> str:
        # A token is a byte at least, so most texts need no counting.
        if len(text.encode(errors="replace")) <= self._longest:
            return text
        tokens = self._library.encoding.encode_ordinary(text)
        return text if len(tokens) <= self._longest else str(self._library.encoding.decode(tokens[: self._longest]))

    def _look_up(self) -> Any:
        library = load_library()
        catalogue: Mapping[str, Mapping[str, Any]] = library.model_cost
        own = own_server(self._model, self._api_base)
        try:
            found = library.get_llm_provider(self._model, custom_llm_provider=own.get("custom_llm_provider"))
        except foreign_errors(library) as error:
            raise EmbeddingRefusedError(describe(self._model, error)) from None
        self._kind = str(found[1])
        self._price = find_embedding_price(self._model, catalogue, is_own=is_own(self._model, self._api_base))
        facts = catalogue.get(self._model) or catalogue.get(self._model.split("/", 1)[-1]) or {}
        longest = int(facts.get("max_input_tokens") or DEFAULT_LONGEST)
        is_counted = bool(facts) and self._kind == OPENAI
        self._longest = longest if is_counted else int(OTHER_SHARE * longest)
        return library

    def _arguments(self, texts: Sequence[str], *, is_query: bool) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self._model,
            "input": list(texts),
            "timeout": self._timeout,
            # Tries are counted in one place, `ApiEmbedding`.
            "max_retries": 0,
            "num_retries": 0,
        }
        if self._kind == OPENAI:
            arguments["encoding_format"] = "base64"
        if self._kind in INPUT_TYPES:
            arguments["input_type"] = INPUT_TYPES[self._kind][0 if is_query else 1]
        return arguments | own_server(self._model, self._api_base)

    def _counted(self, error: EmbeddingUnavailableError | EmbeddingError) -> EmbeddingUnavailableError | EmbeddingError:
        self._metrics.llm_errors_total.labels(self._model, error.code).inc()
        return error


def _read_reply(reply: Any) -> tuple[list[Vector], int]:
    """Vectors in the order of their texts, and the tokens read. Raises `ValueError` and its like."""
    data = sorted(reply.data, key=lambda one: int(one["index"]))
    usage = getattr(reply, "usage", None)
    return [_decode(one["embedding"]) for one in data], int(getattr(usage, "prompt_tokens", 0) or 0)


def _decode(value: str | Sequence[float]) -> Vector:
    if isinstance(value, str):
        try:
            return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float32)
        except binascii.Error as error:
            raise ValueError("a vector that is no base64") from error
    return np.asarray(value, dtype=np.float32).reshape(-1)


def _converted(library: Any, model: str, error: Exception) -> EmbeddingUnavailableError | EmbeddingError:
    known = library.exceptions
    text = describe(model, error)
    if isinstance(error, known.AuthenticationError | known.PermissionDeniedError | known.NotFoundError):
        return EmbeddingRefusedError(text)
    # Of the texts: too long, or not allowed.
    if isinstance(error, known.BadRequestError | known.UnprocessableEntityError):
        return EmbeddingError(text)
    return EmbeddingUnavailableError(text, retry_after(error))

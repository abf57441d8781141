"""Calls language models through LiteLLM; turns its exceptions into ours."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from simplemem_service.errors import LlmError, LlmRejectedError, LlmTooLongError
from simplemem_service.llm.base import Completion, CompletionRequest
from simplemem_service.llm.litellm_library import (
    describe,
    foreign_errors,
    is_own,
    load_library,
    own_server,
    retry_after,
)


class LiteLlmClient:
    """Calls one model once.

    Parameters
    ----------
    api_base
        Address of an OpenAI-compatible server; None: each provider's own.
    timeout_seconds
        How long one call may take.
    """

    def __init__(self, api_base: str | None, timeout_seconds: float) -> None:
        self._api_base = api_base
        self._timeout = timeout_seconds
        self._library: Any = None
        self._loading = asyncio.Lock()

    async def catalogue(self) -> Mapping[str, Mapping[str, Any]]:
        """LiteLLM's table of models and prices."""
        table: Mapping[str, Mapping[str, Any]] = (await self._load()).model_cost
        return table

    def is_own(self, model: str) -> bool:
        """Whether a model is served from `apiBase`."""
        return is_own(model, self._api_base)

    async def call(self, model: str, request: CompletionRequest) -> Completion:
        """The reply of a model.

        Raises `LlmError`, `LlmTooLongError` or `LlmRejectedError`; their texts hold no key. LiteLLM's own exception is
        left out of the chain, since a logged traceback would print it with whatever the server said.
        """
        library = await self._load()
        try:
            async with asyncio.timeout(self._timeout):
                reply = await library.acompletion(**self._arguments(model, request))
                return _read_reply(model, reply)
        except TimeoutError:
            raise LlmError(f"model '{model}' did not answer within {self._timeout:g} s") from None
        except foreign_errors(library) as error:
            raise _converted(library, model, error) from None

    def _arguments(self, model: str, request: CompletionRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": model,
            "messages": [{"role": str(message.role), "content": message.content} for message in request.messages],
            "max_tokens": request.max_tokens,
            "timeout": self._timeout,
            # Tries are counted in one place, the router.
            "max_retries": 0,
            "num_retries": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": str(request.purpose), "strict": True, "schema": dict(request.schema)},
            },
        }
        return arguments | own_server(model, self._api_base)

    async def _load(self) -> Any:
        async with self._loading:
            if self._library is None:
                self._library = await asyncio.to_thread(load_library)
        return self._library


def _converted(library: Any, model: str, error: Exception) -> LlmError | LlmRejectedError:
    known = library.exceptions
    text = describe(model, error)
    if isinstance(error, known.ContextWindowExceededError):
        return LlmTooLongError(text)
    refusals = (
        known.BadRequestError,
        known.AuthenticationError,
        known.PermissionDeniedError,
        known.NotFoundError,
        known.UnprocessableEntityError,
    )
    if isinstance(error, refusals):
        return LlmRejectedError(text)
    return LlmError(text, retry_after(error))


def _read_reply(model: str, reply: Any) -> Completion:
    choice, usage = reply.choices[0], getattr(reply, "usage", None)
    return Completion(
        text=choice.message.content or "",
        model=model,
        input_tokens=int(getattr(usage, "prompt_tokens", 0) or 0),
        output_tokens=int(getattr(usage, "completion_tokens", 0) or 0),
        is_cut_off=choice.finish_reason == "length",
    )

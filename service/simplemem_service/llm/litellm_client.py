"""The only module that calls LiteLLM; turns its exceptions into ours.

LiteLLM takes seconds to import, so that happens in a thread with the first call. Its catalogue of prices comes from the
package, never from the network, and it reports nothing to anybody. Keys are read from the environment by LiteLLM
itself; no text of its exceptions reaches a log before `scrub`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections.abc import Mapping
from typing import Any

import httpx

from simplemem_service.errors import LlmError, LlmRejectedError, LlmTooLongError
from simplemem_service.llm.base import Completion, CompletionRequest
from simplemem_service.llm.scrub import scrub

OWN_PROVIDERS = frozenset(
    ["openai", "hosted_vllm", "vllm", "lm_studio", "ollama", "ollama_chat", "llamafile", "litellm_proxy", "xinference"]
)
"""Providers whose models `apiBase` serves; a name without a provider counts as `openai`. Others, such as anthropic,
speak a protocol of their own and are called where they are."""
NO_KEY = "none"
"""Sent as key to a server of one's own where the environment has none; the client insists on one."""
LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
"""LiteLLM's loggers: they would repeat requests and exceptions unscrubbed."""


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
        return self._api_base is not None and _provider(model) in OWN_PROVIDERS

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
        except _foreign_errors(library) as error:
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
        if self.is_own(model):
            arguments["api_base"] = self._api_base
            if "/" not in model:
                arguments["custom_llm_provider"] = "openai"
            if _provider(model) == "openai" and not os.environ.get("OPENAI_API_KEY"):
                arguments["api_key"] = NO_KEY
        return arguments

    async def _load(self) -> Any:
        async with self._loading:
            if self._library is None:
                self._library = await asyncio.to_thread(_import)
        return self._library


def _import() -> Any:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    with warnings.catch_warnings():
        # Its own types use features that pydantic warns about.
        warnings.simplefilter("ignore")
        import litellm
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    # Parameters that a model does not know, such as a schema, are left out instead of failing the call.
    litellm.drop_params = True
    # Its other transport leaves sessions open at the end of the process.
    litellm.disable_aiohttp_transport = True
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return litellm


def _provider(model: str) -> str:
    return model.split("/", 1)[0] if "/" in model else "openai"


def _foreign_errors(library: Any) -> tuple[type[Exception], ...]:
    """What a call may raise: OpenAI's errors and those of reading an answer that is none."""
    return (
        library.exceptions.openai.OpenAIError,
        httpx.HTTPError,
        OSError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
    )


def _converted(library: Any, model: str, error: Exception) -> LlmError | LlmRejectedError:
    known = library.exceptions
    text = f"model '{model}': {type(error).__name__}: {scrub(str(error))}"
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
    return LlmError(text, _retry_after(error))


def _retry_after(error: Exception) -> float | None:
    """What the server asks to wait, in seconds, if it says so as a number."""
    headers = getattr(error, "litellm_response_headers", None) or {}
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, TypeError, ValueError):
        return None


def _read_reply(model: str, reply: Any) -> Completion:
    choice, usage = reply.choices[0], getattr(reply, "usage", None)
    return Completion(
        text=choice.message.content or "",
        model=model,
        input_tokens=int(getattr(usage, "prompt_tokens", 0) or 0),
        output_tokens=int(getattr(usage, "completion_tokens", 0) or 0),
        is_cut_off=choice.finish_reason == "length",
    )

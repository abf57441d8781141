"""LiteLLM as this service uses it, for language models and embedding models alike.

LiteLLM takes seconds to import, so that happens in a thread with the first call. Its catalogue of prices comes from the
package, never from the network, and it reports nothing to anybody. Keys are read from the environment by LiteLLM
itself; no text of its exceptions reaches a log before `scrub`.
"""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

import httpx

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


def load_library() -> Any:
    """The library, set up; call it in a thread."""
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
    # Tries are counted by us alone; where a call for embeddings says 0, it takes this (litellm 1.106).
    litellm.DEFAULT_MAX_RETRIES = 0
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return litellm


def is_own(model: str, api_base: str | None) -> bool:
    """Whether a model is served from `apiBase`."""
    return api_base is not None and _provider(model) in OWN_PROVIDERS


def own_server(model: str, api_base: str | None) -> dict[str, Any]:
    """Arguments that send a call to `apiBase`; none where the model is called at its provider."""
    if not is_own(model, api_base):
        return {}
    arguments: dict[str, Any] = {"api_base": api_base}
    if "/" not in model:
        arguments["custom_llm_provider"] = "openai"
    if _provider(model) == "openai" and not os.environ.get("OPENAI_API_KEY"):
        arguments["api_key"] = NO_KEY
    return arguments


def foreign_errors(library: Any) -> tuple[type[Exception], ...]:
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


def describe(model: str, error: Exception) -> str:
    """An exception of a call as a message without keys."""
    return f"model '{model}': {type(error).__name__}: {scrub(str(error))}"


def retry_after(error: Exception) -> float | None:
    """What the server asks to wait, in seconds, if it says so as a number."""
    headers = getattr(error, "litellm_response_headers", None) or {}
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, TypeError, ValueError):
        return None


def _provider(model: str) -> str:
    return model.split("/", 1)[0] if "/" in model else "openai"

"""What the service asks of a language model, whatever stands behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any


class Purpose(StrEnum):
    """What a call is for, as logs name it."""

    COMPRESS = "compress"
    """Stage 1: a window of turns becomes entries."""
    SYNTHESIZE = "synthesize"
    """Stage 2: related entries become one."""
    PLAN = "plan"
    """Stage 3: a question is taken apart."""
    REFLECT = "reflect"
    """Stage 3: what was found is judged."""


class Speaker(StrEnum):
    """Who wrote a message."""

    SYSTEM = "system"
    """The service: instructions."""
    USER = "user"
    """The service: data."""
    ASSISTANT = "assistant"
    """The model."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation with a model."""

    role: Speaker
    """Who wrote it."""
    content: str
    """The text."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What a model is asked."""

    purpose: Purpose
    """What the call is for."""
    messages: tuple[Message, ...]
    """Instructions and data, in order."""
    schema: Mapping[str, Any]
    """JSON schema that the reply is to follow; models may still break it."""
    max_tokens: int
    """Longest reply, in tokens."""
    time_limit: timedelta
    """How long all tries together may take."""
    tries: int = 3
    """Tries with each model. With 1, somebody waits: models that failed lately are passed over."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model replied."""

    text: str
    """The reply; JSON if the model kept to the schema."""
    model: str
    """Who replied, as the MemoryStore names it."""
    input_tokens: int
    """Tokens read."""
    output_tokens: int
    """Tokens written."""
    is_cut_off: bool = False
    """Whether the reply ended at `max_tokens`."""


class LanguageModel(ABC):
    """One or several language models behind one call."""

    @property
    @abstractmethod
    def models(self) -> tuple[str, ...]:
        """Names of the models that may answer, as the MemoryStore lists them."""

    async def warm_up(self) -> None:
        """Do what takes long before the first call waits for it."""
        return

    @abstractmethod
    async def complete(self, request: CompletionRequest) -> Completion:
        """The reply to a request.

        Raises `LlmError` if no model answers now, `LlmTooLongError` if the request exceeds every model's length,
        `LlmRejectedError` if they refuse it, and `BudgetExceededError` if none may be called any more this month.
        """

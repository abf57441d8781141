"""How a store remembers: language models, compression, synthesis, retrieval, retention and budget."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from simplemem_api.base import Cel, Name, Part, Url


class LlmMode(StrEnum):
    """Who compresses."""

    MODEL = "Model"
    RULES = "Rules"


class Routing(StrEnum):
    """Which language model is tried first."""

    IN_ORDER = "InOrder"
    CHEAPEST = "Cheapest"


class LexicalEngine(StrEnum):
    """Engine of the lexical view."""

    TANTIVY = "Tantivy"
    RANK_BM25 = "RankBM25"


class When(StrEnum):
    """When a step that costs a language model call is taken."""

    NEVER = "Never"
    AUTO = "Auto"
    ALWAYS = "Always"


class BudgetAction(StrEnum):
    """What happens beyond the budget."""

    WARN = "Warn"
    CHEAPER_MODEL = "CheaperModel"
    REJECT_WRITES = "RejectWrites"


class LlmSpec(Part):
    """The language models."""

    mode: LlmMode | None = None
    """Rules needs no key and no network; default Model where a Secret or an address is named, else Rules."""
    models: (
        Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=16)] | None
    ) = None
    """LiteLLM names, in order; default: the tier's own."""
    routing: Routing | None = None
    """Which is tried first; default InOrder (Hybrid: Cheapest)."""
    secret_name: Name | None = None
    """Secret whose keys become environment variables of the ingest and retrieval pods, such as ANTHROPIC_API_KEY."""
    api_base: Url | None = None
    """Address of an OpenAI-compatible server: LM Studio, Ollama, vLLM, llama.cpp."""

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!has(self.mode) || self.mode != 'Model' || has(self.secretName) || has(self.apiBase)",
            "mode Model needs secretName or apiBase",
        ),
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.mode is LlmMode.MODEL and not (self.secret_name or self.api_base):
            raise ValueError("mode Model needs secretName or apiBase")
        return self


class LexicalSpec(Part):
    """The lexical view."""

    engine: LexicalEngine | None = None
    """Tantivy keeps an index on disk; RankBM25 is rebuilt in memory at every start and fits below 10K entries."""


THRESHOLD_PATTERN = r"^(0(\.[0-9]{1,4})?|1(\.0{1,4})?)$"
"""A decimal from 0 to 1; a string, since floats differ between writers."""


class CompressionSpec(Part):
    """Stage 1: turns become entries."""

    window_turns: Annotated[int, Field(ge=1, le=500)] | None = None
    """Turns in a window; default 40."""
    overlap_turns: Annotated[int, Field(ge=0, le=100)] | None = None
    """Turns that a window shares with the one before; default 2."""
    workers: Annotated[int, Field(ge=1, le=64)] | None = None
    """Windows compressed at the same time; default 3."""
    density_threshold: Annotated[str, Field(min_length=1, max_length=6)] | None = None
    """Semantic density below which a window is dropped, a decimal string from 0 to 1; default 0.05, 0 keeps all."""

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "(has(self.overlapTurns) ? self.overlapTurns : 2) < (has(self.windowTurns) ? self.windowTurns : 40)",
            "overlapTurns must be less than windowTurns",
        ),
        Cel(
            f"!has(self.densityThreshold) || self.densityThreshold.matches('{THRESHOLD_PATTERN}')".replace(
                "\\", "\\\\"
            ),
            'densityThreshold must be a decimal string from 0 to 1, such as "0.35"',
        ),
    )

    @field_validator("density_threshold")
    @classmethod
    def _in_range(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(THRESHOLD_PATTERN, value):
            raise ValueError('densityThreshold must be a decimal string from 0 to 1, such as "0.35"')
        return value

    @model_validator(mode="after")
    def _overlap_shorter(self) -> Self:
        overlap = 2 if self.overlap_turns is None else self.overlap_turns
        if overlap >= (self.window_turns or 40):
            raise ValueError("overlapTurns must be less than windowTurns")
        return self


class SynthesisSpec(Part):
    """Stage 2: what newer entries mean for older ones."""

    mode: LlmMode | None = None
    """Model merges related entries by language model, which needs llm.mode Model; Rules only lets newer facts supersede
    older ones, and calls nobody; default: as llm.mode."""


class RetrievalSpec(Part):
    """Stage 3: questions become entries."""

    replicas: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Retrieval pods; default: the tier's own. An autoscaler, where there is one, takes it over."""
    top_k: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Entries returned where the question does not say, up to twice as many for a complex question; default 10."""
    max_tokens: Annotated[int, Field(ge=16, le=100000)] | None = None
    """Length of the context where the question does not say, in tokens; default 550."""
    planning: When | None = None
    """When a language model plans the search; default Never."""
    reflection: When | None = None
    """When a language model reranks; default Never."""


class RetentionSpec(Part):
    """What is forgotten."""

    max_age_days: Annotated[int, Field(ge=1, le=36500)] | None = None
    """Age at which an entry goes, in days since the store first held it; removed like by a caller, with its turns."""
    unused_days: Annotated[int, Field(ge=1, le=36500)] | None = None
    """Time without being found by a search after which an entry goes, in days; counted from when this was first set."""


USD_PATTERN = r"^[0-9]{1,7}(\.[0-9]{1,2})?$"
"""An amount of money with at most two decimals; a string, since floats differ between writers."""


class BudgetSpec(Part):
    """What the store may cost."""

    monthly_usd: Annotated[str, Field(min_length=1, max_length=10)] = Field(alias="monthlyUSD")
    """Budget of a calendar month, US dollars, a decimal string above zero. `onExceeded` acts once models, machines and
    storage together have cost that much; what is planned beyond it WithinBudget tells from the first day."""
    on_exceeded: BudgetAction | None = None
    """What happens beyond it; default Warn."""

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            f"self.monthlyUSD.matches('{USD_PATTERN}') && double(self.monthlyUSD) > 0.0".replace("\\", "\\\\"),
            'monthlyUSD must be a decimal string above zero, such as "70" or "70.50"',
        ),
    )

    @field_validator("monthly_usd")
    @classmethod
    def _is_money(cls, value: str) -> str:
        if not re.fullmatch(USD_PATTERN, value) or float(value) <= 0:
            raise ValueError('monthlyUSD must be a decimal string above zero, such as "70" or "70.50"')
        return value

"""What is asked and what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from simplemem_service.models.entry import Entry


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """What entries must match; an absent field matches all."""

    user_id: str | None = None
    """Whose memory."""
    session_id: str | None = None
    """Which conversation."""
    persons: tuple[str, ...] = ()
    """All of these people take part."""
    location: str | None = None
    """Where, compared without case."""
    since: datetime | None = None
    """Told at or after this time."""
    until: datetime | None = None
    """Told at or before this time."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it reaches the retrieval stage."""

    text: str
    """The question, unchanged."""
    top_k: int
    """How many entries to return, at most."""
    max_tokens: int
    """How long the context may be, in tokens."""
    filter: EntryFilter = field(default_factory=EntryFilter)
    """What entries must match."""
    explain: bool = False
    """Whether the scores of each signal are wanted."""
    deepens: bool = False
    """Whether `top_k` is the number for a simple question, and more are returned for a complex one."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry found, with the reasons."""

    entry: Entry
    """What was found."""
    score: float
    """The fused score; comparable within one query only."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Weighted share of each signal in the score, by the signal's name."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What a language model added to a search."""

    is_weak: bool
    """Whether the first pass found little that stands out."""
    queries: tuple[str, ...] = ()
    """Questions searched beside the one asked, in order."""
    calls: int = 0
    """Calls of language models."""
    is_sufficient: bool | None = None
    """Whether a model judged the result to be enough; None where none was asked."""
    fallback: str = ""
    """Why the model's part was left out or ended early; empty where it did not."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The answer to a query."""

    hits: tuple[Hit, ...]
    """Best first, at most `depth`."""
    context: str
    """The hits as one text, best first, cut to the token budget at entry borders."""
    context_tokens: int
    """Length of the context in tokens."""
    plan: SearchPlan | None = None
    """What a language model added; None where none is to be asked."""
    complexity: float = 0.0
    """C_q, how much the question asks for, in [0, 1]."""
    depth: int = 0
    """How many entries were wanted: k_dyn where the query deepens, else its `top_k`."""
    degraded: str = ""
    """Code of the error for which meaning was left out and words, dates and people alone decided; empty where it was
    not."""

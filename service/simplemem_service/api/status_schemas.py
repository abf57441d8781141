"""What a store tells of itself."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

EXAMPLE: dict[str, Any] = {
    "name": "notes",
    "namespace": "team-a",
    "tier": "Minimal",
    "role": "all",
    "ready": True,
    "entries": 419,
    "turns": 419,
    "storage_bytes": 3_412_992,
    "model": "all-MiniLM-L6-v2",
    "generation": 0,
    "reembedding": None,
    "dimension": 384,
    "lexical": "RankBM25",
    "llm_mode": "Rules",
    "llm_models": [],
    "table_version": 41,
    "index_lag_rows": 0,
    "pending_turns": 0,
    "oldest_pending_seconds": 0.0,
    "last_backup_at": None,
    "spend": {"month_usd": 0.0, "basis": "no language model is named"},
    "cost": {
        "monthly_usd": 32.84,
        "items": [{"name": "server", "monthly_usd": 30.0, "basis": "one machine: 2 vCPU, 4 GB, 50 GB disk"}],
        "catalogue": "built-in 2025-11",
    },
    "use": {
        "days": 7,
        "turns_per_month": 4_200,
        "queries_per_month": 380,
        "tier_turns": 1_000,
        "tier_queries": 100,
        "fits": False,
        "recommended_tier": "CostEffective",
        "advice": (
            "the load is beyond what Minimal is for (up to 1,000 turns and 100 queries a month); take CostEffective"
        ),
    },
}


class ReembeddingOut(BaseModel):
    """A re-embedding under way."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    operation_id: str
    """The operation that asked for it."""
    action: str
    """What it does."""
    model: str
    """Model of the new vectors."""
    done: int
    """Entries with new vectors."""
    total: int
    """Entries in all."""


class CostItemOut(BaseModel):
    """One line of the planned monthly cost."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """What is paid for."""
    monthly_usd: float
    """US dollars a month."""
    basis: str
    """How the figure comes about."""


class CostOut(BaseModel):
    """The planned monthly cost at the reference load."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    monthly_usd: float
    """US dollars a month."""
    items: list[CostItemOut]
    """Its parts."""
    catalogue: str
    """Which price catalogue was used."""


class UseOut(BaseModel):
    """How much the store is used, and the most that its tier is for."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    days: int
    """Whole days that were counted, up to 7."""
    turns_per_month: int | None
    """Turns remembered in 30 such days; null before the first whole day."""
    queries_per_month: int | None
    """Questions answered in 30 such days; null likewise."""
    tier_turns: int | None
    """Turns a month that the tier is for, at most; null for a tier that is for any load."""
    tier_queries: int | None
    """Questions a month that it is for, at most; null likewise."""
    fits: bool | None
    """Whether the tier fits, as the condition TierFits has it; null before three whole days, and where that depends
    on what was advised before."""
    recommended_tier: str | None
    """The tier that fits; null likewise."""
    advice: str
    """Why, in words."""


class StatusOut(BaseModel):
    """Counts, model and backlog. A token bound to a user is told the counts of that user, and no figure of others."""

    model_config = ConfigDict(use_attribute_docstrings=True, json_schema_extra={"examples": [EXAMPLE]})

    name: str
    """Name of the MemoryStore."""
    namespace: str
    """Its namespace."""
    tier: str
    """Its tier."""
    role: str
    """What the pod that answered does."""
    ready: bool
    """Whether that pod is ready."""
    entries: int
    """Entries remembered."""
    turns: int
    """Turns kept."""
    storage_bytes: int | None
    """Bytes the store occupies, older versions and the journal included; null for a bound token."""
    model: str
    """Embedding model of the vectors in use."""
    generation: int
    """How often the store has moved on to another model."""
    reembedding: ReembeddingOut | None
    """The re-embedding under way."""
    dimension: int | None
    """Length of the vectors; null until the model is loaded."""
    lexical: str
    """Lexical engine."""
    llm_mode: str
    """Whether language models compress: Model or Rules."""
    llm_models: tuple[str, ...]
    """Language models in the order of their use."""
    table_version: int
    """Version of the table that searches of this pod see."""
    index_lag_rows: int | None
    """Entries that searches of this pod do not see yet; null where it does not search."""
    pending_turns: int | None
    """Accepted turns that are not searchable yet; null where another pod knows, and for a bound token."""
    oldest_pending_seconds: float | None
    """How long the oldest of them waits; null likewise."""
    last_backup_at: str | None
    """When the last good copy was complete; null without one or without backups, and for a bound token."""
    spend: dict[str, Any] | None = Field(examples=[EXAMPLE["spend"]])
    """What language models cost this month; null for a bound token."""
    cost: CostOut | None
    """What the store is planned to cost; null for a bound token."""
    use: UseOut | None
    """How its use compares with its tier; null where another pod knows, and for a bound token."""

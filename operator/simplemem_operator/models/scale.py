"""How many embedding pods a store has, and what decides it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be embedded."""

    pending_turns: int
    """Turns accepted and not searchable yet."""
    oldest_seconds: int
    """Age of the oldest of them, in seconds."""
    is_moving: bool
    """Whether the writer works: where a language model or the storage refuses, turns wait for something else."""
    texts_per_minute: int
    """Texts that the embedding pods have encoded within the last minute."""


@dataclass(frozen=True, slots=True)
class EmbeddingScale:
    """The number of embedding pods."""

    replicas: int
    """Pods."""
    idle_since: str = ""
    """Since when no more than the processors can do has been wanted, RFC 3339; empty while pods are needed or few."""

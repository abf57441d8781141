"""What a pass is going to do."""

from __future__ import annotations

from dataclasses import dataclass

from simplemem_operator.models.desired import Manifest


@dataclass(frozen=True, slots=True)
class Step:
    """One write and its reason."""

    manifest: Manifest
    """What to apply, or the object to delete."""
    reason: str
    """Why, for the log."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The writes of a pass, in order; empty where nothing changed."""

    apply: tuple[Step, ...]
    """What to apply."""
    delete: tuple[Step, ...]
    """What to delete."""

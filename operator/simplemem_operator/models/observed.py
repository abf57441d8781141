"""What a pass finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simplemem_operator.models.desired import Manifest


@dataclass(frozen=True, slots=True)
class SecretState:
    """A Secret that the pods read, without its values."""

    name: str
    """Name of the Secret."""
    is_there: bool
    """Whether it exists."""
    missing_keys: tuple[str, ...] = ()
    """Keys that it must have and lacks."""
    content_hash: str = ""
    """Hash of its data."""


@dataclass(frozen=True, slots=True)
class PodHealth:
    """What a pod says of itself at /readyz."""

    component: str
    """Component of the pod."""
    is_ready: bool
    """Whether it answers."""
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Its checks by name, each with `ok`, `reason` and `message`."""
    figures: Mapping[str, int] = field(default_factory=dict)
    """Its figures, such as entries, storage_bytes, pending_turns, and canary_at (seconds since 1970)."""
    is_placed: bool = False
    """Whether a node runs it, which is paid for from then on."""
    waiting: str = ""
    """Why its container does not run, in the kubelet's words; empty while it runs."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What exists of a store."""

    children: tuple[Manifest, ...]
    """Objects that carry the store's labels, of every kind that we build."""
    foreign: tuple[str, ...] = ()
    """Objects with a child's name that are not ours, as `Kind/name`."""
    secrets: tuple[SecretState, ...] = ()
    """Secrets that the pods read."""
    pods: tuple[PodHealth, ...] = ()
    """The store's pods."""
    backup_secrets: tuple[SecretState, ...] = ()
    """Secrets that only the copies need."""
    unserved: frozenset[str] = frozenset()
    """Kinds of children that this cluster lacks."""

    def child(self, kind: str, name: str) -> Manifest | None:
        """A child, or None."""
        wanted = (kind, name)
        return next((found for found in self.children if (found["kind"], found["metadata"]["name"]) == wanted), None)

"""Times as the Kubernetes API spells them."""

from __future__ import annotations

from datetime import UTC, datetime


def write_time(time: datetime) -> str:
    """An aware time in RFC 3339, UTC, whole seconds: `2026-03-01T12:00:00Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

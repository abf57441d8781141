"""What a condition says."""

from __future__ import annotations

Verdict = tuple[bool | None, str, str]
"""Whether a condition holds (None: unknown), its reason and its message."""

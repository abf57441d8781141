"""Text for terminals, in kubectl's manner: columns as wide as they must be, short sizes and ages (pure)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

GAP = "   "
"""Between two columns."""

NOTHING = "-"
"""Where a value is not known."""


def render(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; values that are None are shown as a dash, the last column is not padded."""
    lines = [[NOTHING if value is None else str(value) for value in row] for row in (headers, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    padded = (GAP.join(value.ljust(width) for value, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def as_json(value: Any) -> str:
    """The value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def size(count: float | None) -> str | None:
    """Bytes in the largest binary unit of which there is one, as `1.5Gi`."""
    if count is None:
        return None
    for unit in ("", "Ki", "Mi", "Gi"):
        if count < 1024:
            return f"{count:.0f}{unit}" if not unit or count >= 10 else f"{count:.1f}{unit}"
        count /= 1024
    return f"{count:.1f}Ti"


def age(since: str | None, now: datetime) -> str | None:
    """How long ago a time of the API lies, as `3d`, `5h`, `12m` or `7s`."""
    if since is None:
        return None
    seconds = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"

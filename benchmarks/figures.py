"""Figures of a run: one JSON line each, with name, value, unit and conditions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def emit(name: str, value: float, unit: str, **conditions: Any) -> None:
    """Print one figure."""
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "conditions": conditions}), flush=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean of at least one value."""
    return sum(values) / len(values)

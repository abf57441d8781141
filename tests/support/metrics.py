"""Names of the series that operator and service give, and of those that a query asks for."""

from __future__ import annotations

import re
from functools import cache

from tests.support.chart import ROOT

HISTOGRAM = ("_bucket", "_count", "_sum")
OF_PROMETHEUS = {"up", "ALERTS"}
"""What Prometheus itself gives."""


@cache
def registered() -> frozenset[str]:
    """Names of all series, read from the sources, since operator and service have an environment each."""
    service = (ROOT / "service" / "simplemem_service" / "telemetry.py").read_text()
    operator = (ROOT / "operator" / "simplemem_operator" / "metrics.py").read_text()
    found = set(re.findall(r'(?:Counter|Gauge|Histogram)\(\s*"(simplemem_operator_\w+)"', operator))
    histograms = set(re.findall(r'Histogram\(\s*"(simplemem_operator_\w+)"', operator))
    found |= {f"simplemem_{name}" for name in re.findall(r'self\._gauge\(\s*"(\w+)"', service)}
    found |= {f"simplemem_{name}_total" for name in re.findall(r'self\._counter\(\s*"(\w+)"', service)}
    histograms |= {f"simplemem_{name}" for name in re.findall(r'self\._histogram\(\s*"(\w+)"', service)}
    histograms |= {f"simplemem_{name}" for name in re.findall(r'Histogram\(\s*f"\{PREFIX\}_(\w+)"', service)}
    return frozenset(found | {f"{name}{end}" for name in histograms for end in HISTOGRAM} | OF_PROMETHEUS)


def used(expression: str) -> set[str]:
    """Names of the series in a PromQL expression."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"\b(?:simplemem[a-z0-9_:]+|up|ALERTS)\b", bare))

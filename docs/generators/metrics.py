"""Metrics, by what a registry holds."""

from __future__ import annotations

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import CollectorRegistry

from docs.generators.markdown import table


def render_table(registry: CollectorRegistry, prefix: str) -> str:
    """The metrics of a registry whose names begin so, by name."""
    # The registry's public form leaves out metrics with labels that nothing has counted yet.
    found = {one for one in registry._collector_to_names if isinstance(one, MetricWrapperBase)}  # noqa: SLF001
    rows = sorted(_row(metric) for metric in found if metric._name.startswith(prefix))  # noqa: SLF001
    return table(["metric", "type", "labels", "tells"], rows)


def _row(metric: MetricWrapperBase) -> tuple[str, str, str, str]:
    name = metric._name + ("_total" if metric._type == "counter" else "")  # noqa: SLF001
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001
    return f"`{name}`", str(metric._type), labels, metric._documentation or ""  # noqa: SLF001

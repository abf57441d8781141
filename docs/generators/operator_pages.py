"""Pages that only the operator's environment can make."""

from __future__ import annotations

from prometheus_client import REGISTRY

import simplemem_operator.metrics  # noqa: F401 - it registers them
from docs.generators import commands, conditions, metrics
from docs.generators.markdown import page
from simplemem_operator.config import build_parser as operator_parser
from simplemem_operator.kubectl.main import build_parser as kubectl_parser

PREFIX = "simplemem_operator"


def pages() -> dict[str, str]:
    """Pages by name."""
    lead = f"What `/metrics` of the operator tells; names begin with `{PREFIX}`. "
    lead += "Alerts on them: [runbooks](../runbooks.md)."
    programs = [commands.render_program(make()) for make in (operator_parser, kubectl_parser)]
    return {
        "conditions": conditions.render(),
        "operator-metrics": page("Metrics of the operator", lead, metrics.render_table(REGISTRY, PREFIX)),
        "operator-commands": page(
            "Commands of the operator", "How they are used: [kubectl smem](../kubectl.md).", *programs
        ),
    }

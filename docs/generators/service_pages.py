"""Pages that only the service's environment can make."""

from __future__ import annotations

from pathlib import Path

from docs.generators import api, commands, metrics
from docs.generators.markdown import page
from simplemem_api.load import parse_store
from simplemem_api.resolve import resolve
from simplemem_service.__main__ import build_parser
from simplemem_service.config import Config
from simplemem_service.main import create_app
from simplemem_service.telemetry import PREFIX, Metrics


def pages() -> dict[str, str]:
    """Pages by name."""
    store = {"apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore", "metadata": {"name": "notes"}, "spec": {}}
    app = create_app(Config(resolve(parse_store(store)), data=Path("unused")))
    counted = metrics.render_table(Metrics().registry, PREFIX)
    lead = f"What `/metrics` of a store's pod tells; names begin with `{PREFIX}_`. "
    lead += "Alerts on them: [runbooks](../runbooks.md)."
    return {
        "api": api.render(app.openapi()),
        "service-metrics": page("Metrics of a store", lead, counted),
        "commands": page(
            "Commands", "How they are used: [the command line](../cli.md).", commands.render_program(build_parser())
        ),
    }

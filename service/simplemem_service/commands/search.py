"""`simplemem search`: finds memories and shows them with their sources."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simplemem_api import exits
from simplemem_service.commands.client import call, connect, say


def run(options: argparse.Namespace) -> int:
    """Search; exit status 1 where nothing is found."""
    with connect(options) as client:
        found = call(client, "POST", "/v1/search", json=_body(options))
    if options.json:
        say(found)
    elif options.context:
        print(found["context"])  # noqa: T201 - a command speaks to its user
    elif found["results"]:
        Console().print(_table(found, explains=options.explain))
    else:
        Console(stderr=True).print("nothing found; leave out --user, --session or --person to look wider")
    return exits.DONE if found["results"] else exits.FAILED


def _body(options: argparse.Namespace) -> dict[str, Any]:
    where = {"user_id": options.user, "session_id": options.session, "persons": options.person or None}
    body = {"query": options.query, "top_k": options.top_k, "max_tokens": options.max_tokens}
    return {
        **{name: value for name, value in body.items() if value is not None},
        "filter": {name: value for name, value in where.items() if value is not None},
        "explain": options.explain,
    }


def _table(found: dict[str, Any], *, explains: bool) -> Table:
    caption = f"{found['took_ms']:.0f} ms; the context has {found['context_tokens']} tokens"
    table = Table("score", "memory", "told", "sources", caption=caption)
    if explains:
        table.add_column("signals")
    for result in found["results"]:
        told = (result["timestamp"] or "")[:16].replace("T", " ")
        # As plain text: what people said may look like rich's markup.
        row = [f"{result['score']:.2f}", result["lossless_restatement"], told, "\n".join(result["sources"][:3])]
        if explains:
            row.append("\n".join(f"{name} {value:.2f}" for name, value in result["scores"].items()))
        table.add_row(*(Text(cell) for cell in row))
    return table

"""`simplemem status`: what a store holds, and how far it is behind."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simplemem_api import exits
from simplemem_service.commands.client import body, call, connect, say


def run(options: argparse.Namespace) -> int:
    """Show the status; exit status 1 while the service is not ready."""
    with connect(options) as client:
        readiness = body(client.get("/readyz"))
        status = call(client, "GET", "/v1/status") if readiness["ready"] else {"ready": False}
    if options.json:
        say(status | {"checks": readiness["checks"]})
        return exits.DONE if readiness["ready"] else exits.FAILED
    console = Console()
    checks = Table("check", "works", "reason", "message")
    for name, check in readiness["checks"].items():
        checks.add_row(name, "yes" if check["ok"] else "no", check["reason"], Text(check["message"]))
    console.print(checks)
    if readiness["ready"]:
        table = Table("figure", "value", title=f"{status['namespace']}/{status['name']}", title_justify="left")
        for name, value in flatten(status):
            if value is not None and name not in ("name", "namespace"):
                table.add_row(name, Text(str(value)))
        console.print(table)
    return exits.DONE if readiness["ready"] else exits.FAILED


def flatten(status: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The figures one by one, those of a group as `group.figure`; lists of objects are for programs (pure)."""
    for name, value in status.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", inner) for key, inner in flatten(value))
        elif not (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
            yield name, value

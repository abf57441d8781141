"""`simplemem reembed`: moves a store to the vectors of another model, or back, while it goes on answering."""

from __future__ import annotations

import argparse
import time
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from simplemem_api import exits
from simplemem_service.commands.client import call, connect, say
from simplemem_service.commands.errors import CommandError

POLL_SECONDS = 0.5
"""Pause between two looks at the progress."""


def run(options: argparse.Namespace) -> int:
    """Begin, and with `--wait` see it through; exit status 1 if it fails."""
    path, body = _request(options)
    with connect(options) as client:
        status: dict[str, Any] = call(client, "POST", path, json=body)
        if options.wait:
            status = _follow(client, status["operation_id"])
    if options.json:
        say(status)
    elif options.wait:
        done = "the vectors of before are gone" if options.drop_old else f"{status['entries']} entries re-embedded"
        Console().print(f"operation {status['operation_id']} has succeeded: {done}")
    else:
        Console().print(f"operation {status['operation_id']} has begun; `simplemem status` shows how far it is")
    return exits.DONE


def _request(options: argparse.Namespace) -> tuple[str, dict[str, str] | None]:
    if options.rollback:
        return "/v1/reembed/rollback", None
    if options.drop_old:
        return "/v1/reembed/drop", None
    return "/v1/reembed", {"model": options.model}


def _follow(client: httpx.Client, operation_id: str) -> dict[str, Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("re-embedding entries", total=None)
        while True:
            status: dict[str, Any] = call(client, "GET", f"/v1/operations/{operation_id}")
            if status["total"] is not None:
                progress.update(task, completed=status["done"], total=status["total"])
            if status["state"] == "Failed":
                told = f"operation {operation_id} failed: {status['error']}; the vectors in use stay"
                raise CommandError(told)
            if status["state"] == "Succeeded":
                return status
            time.sleep(POLL_SECONDS)

"""`simplemem ingest`: remembers a conversation from a file and waits until it can be searched.

Every turn has an id, its own or one of its place in the file, so running the command again after it was cut off sends
what was sent before without effect and goes on.
"""

from __future__ import annotations

import argparse
from collections import Counter, deque
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from simplemem_api import exits
from simplemem_service.commands.client import call, connect, say, wait_ended
from simplemem_service.commands.errors import CommandError
from simplemem_service.commands.turn_files import batches, open_input, read_turns

UNDER_WAY = 8
"""Requests whose turns are not searchable yet."""


def run(options: argparse.Namespace) -> int:
    """Ingest; exit status 0 once all can be found."""
    session = options.session or ("stdin" if options.file == "-" else Path(options.file).stem)
    with open_input(options.file) as source:
        bodies = list(batches(read_turns(source, options.file, options.format), options.user, session))
    if not bodies:
        raise CommandError(f"{options.file}: holds no turns", exits.USAGE)
    with connect(options) as client:
        done = _send(client, bodies, waits=not options.no_wait)
    if options.json:
        say(dict(done))
    else:
        Console().print(_describe(done, waits=not options.no_wait))
    return exits.DONE


def _send(client: httpx.Client, bodies: list[dict[str, Any]], *, waits: bool) -> Counter[str]:
    done: Counter[str] = Counter(turns=0, entries=0, dropped=0)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("remembering turns", total=sum(len(body["turns"]) for body in bodies))
        waiting: deque[str] = deque()
        for body in bodies:
            operation: str = call(client, "POST", "/v1/turns", json=body)["operation_id"]
            if not waits:
                done["turns"] += len(body["turns"])
                progress.advance(task, len(body["turns"]))
                continue
            waiting.append(operation)
            if len(waiting) > UNDER_WAY:
                _end(client, waiting.popleft(), done, progress, task)
        while waiting:
            _end(client, waiting.popleft(), done, progress, task)
    return done


def _end(client: httpx.Client, operation: str, done: Counter[str], progress: Progress, task: TaskID) -> None:
    ended = wait_ended(client, operation)
    for name in done:
        done[name] += ended[name]
    progress.advance(task, ended["turns"])


def _describe(done: Counter[str], *, waits: bool) -> str:
    if not waits:
        return f"{done['turns']} turns are durable and will be searchable soon"
    dropped = f", {done['dropped']} turns dropped by the density filter" if done["dropped"] else ""
    return f"{done['turns']} turns are searchable: {done['entries']} new memories{dropped}"

"""`simplemem import`: sends what an export wrote, and shows how far it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from simplemem_api import exits
from simplemem_service.commands.client import connect, read, say
from simplemem_service.commands.errors import CommandError

CHUNK_BYTES = 64 * 1024
"""Bytes read and sent at a time."""


def run(options: argparse.Namespace) -> int:
    """Import; exit status 0 once all of it is applied."""
    try:
        source, size = _open(options.file)
    except OSError as error:
        raise CommandError(f"{options.file}: {error.strerror}", exits.USAGE) from error
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with source, connect(options) as client, Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("importing", total=size)
        params = {"compress": "true"} if options.compress else {}
        content = _chunks(source, progress, task)
        # The service reads no faster than it applies, so neither sending nor the answer has a limit of time.
        done: dict[str, Any] = read(client.post("/v1/import", content=content, params=params, timeout=None))
    if options.json:
        say(done)
    else:
        Console().print(_describe(done))
    return exits.DONE


def _open(name: str) -> tuple[IO[bytes], int | None]:
    if name == "-":
        return sys.stdin.buffer, None
    path = Path(name)
    return path.open("rb"), path.stat().st_size


def _chunks(source: IO[bytes], progress: Progress, task: TaskID) -> Iterator[bytes]:
    while chunk := source.read(CHUNK_BYTES):
        yield chunk
        progress.advance(task, len(chunk))


def _describe(done: dict[str, Any]) -> str:
    told = f"{done['turns']} turns and {done['entries']} memories: {done['written']} written, {done['unchanged']} known"
    return told if done["verified"] else f"{told}; not verified, since the file has no end line"

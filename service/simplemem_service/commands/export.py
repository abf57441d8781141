"""`simplemem export`: writes everything that is remembered to a file, and checks it on the way.

An export that is cut off ends with a whole page; `--resume` looks for the last checkpoint in the file and goes on
behind it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import IO, Any

import httpx
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from simplemem_api import exits
from simplemem_service.api.transfer_lines import Chain
from simplemem_service.commands.client import connect, refusal, say, unlike
from simplemem_service.commands.errors import CommandError


def run(options: argparse.Namespace) -> int:
    """Export; exit status 0 once the end has been written and verified."""
    if options.resume and options.output == "-":
        raise CommandError("--resume needs a file: name it with --output", exits.USAGE)
    if options.output == "-":
        end = _download(options, sys.stdout.buffer, None)
    else:
        end = _to_file(options, Path(options.output))
    if options.json and options.output != "-":
        say(end)
    else:
        told = f"{end['turns']} turns and {end['entries']} memories exported, verified"
        Console(stderr=True).print(told)
    return exits.DONE


def _to_file(options: argparse.Namespace, path: Path) -> dict[str, Any]:
    try:
        if not options.resume:
            with path.open("wb") as target:
                return _download(options, target, None)
        with path.open("r+b") as target:
            last = _last_checkpoint(target)
            if last is not None and last["kind"] == "end":
                return last
            return _download(options, target, last)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", exits.USAGE) from error


def _last_checkpoint(target: IO[bytes]) -> dict[str, Any] | None:
    """The last checkpoint of a file, or its end; the file is cut behind it and stands there."""
    place, last = 0, None
    while line := target.readline():
        if line.startswith((b'{"kind":"checkpoint"', b'{"kind":"end"')) and line.endswith(b"\n"):
            place, last = target.tell(), json.loads(line)
    target.seek(place)
    target.truncate()
    return last


def _download(options: argparse.Namespace, target: IO[bytes], last: dict[str, Any] | None) -> dict[str, Any]:
    params = {"user_id": options.user} if options.user else {}
    if last is not None:
        params["after"] = last["after"]
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with connect(options) as client, Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("exporting", total=None)
        # Pages come as the store gives them; a pause of the length of the usual limit means that it died.
        with client.stream("GET", "/v1/export", params=params) as answer:
            if answer.is_error:
                answer.read()
                raise refusal(answer)
            if not answer.headers.get("content-type", "").startswith("application/x-ndjson"):
                raise unlike(answer.request.url)
            return _copy(answer, target, Chain(last["sha256"] if last else ""), progress, task)


def _copy(answer: httpx.Response, target: IO[bytes], chain: Chain, progress: Progress, task: Any) -> dict[str, Any]:
    rest = b""
    for chunk in answer.iter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            target.write(line + b"\n")
            if line.startswith((b'{"kind":"turn"', b'{"kind":"entry"')):
                chain.add(line + b"\n")
                continue
            fields: dict[str, Any] = json.loads(line)
            if fields["kind"] == "error":
                raise CommandError(f"{fields['code']}: {fields['detail']}; go on with --resume")
            if fields["sha256"] != chain.restart():
                raise CommandError("the digest does not match what came; export again")
            progress.update(task, description=f"{fields['turns']} turns, {fields['entries']} memories")
            if fields["kind"] == "end":
                target.flush()
                return fields
    raise CommandError("the export was cut off; go on with --resume")

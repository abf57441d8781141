"""`simplemem demo`: remembers the sample conversation and asks three questions, all through HTTP."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import IO, Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from simplemem_api.cost import monthly_cost
from simplemem_service.commands.client import call, connect, wait_ended
from simplemem_service.commands.cost import cost_table
from simplemem_service.commands.server import listen
from simplemem_service.commands.store_file import read_store
from simplemem_service.errors import ConfigError, ServiceError

MINIMAL = """
apiVersion: simplemem.io/v1alpha1
kind: MemoryStore
metadata: {name: demo, namespace: default}
spec: {tier: Minimal}
"""
"""The store of a demo that is given none."""
USER = "sample"
BATCH_TURNS = 6
"""Turns sent at a time; small, so that the bar moves."""
SHOWN_RESULTS = 3


@dataclass(frozen=True, slots=True)
class Running:
    """A service that answers."""

    url: str
    """Its address."""
    process: subprocess.Popen[str] | None
    """The process, if the demo started it."""


def run(options: argparse.Namespace) -> int:
    """Run the demo; the exit status."""
    path: Path | None = options.file
    console = Console()
    with tempfile.TemporaryDirectory(prefix="simplemem-demo-") as folder:
        if path is None:
            path = Path(folder) / "store.yaml"
            path.write_text(MINIMAL, encoding="utf-8")
        store = read_store(path)
        with _service(console, path, options.url, options.port, options.data or Path(folder) / "data") as running:
            with connect(argparse.Namespace(url=running.url, token=options.token)) as client:
                # Asked first, so that a wrong address or token is told before a bar is shown.
                call(client, "GET", "/v1/status")
                turns = _read_sample("conversation.jsonl")
                _remember(console, client, turns)
                _ask(console, client, {turn["id"]: turn for turn in turns})
            console.print(cost_table(store, monthly_cost(store)))
            _stay(console, running)
    return 0


@contextmanager
def _service(console: Console, path: Path, url: str | None, port: int, data: Path) -> Iterator[Running]:
    if url is not None:
        yield Running(url.rstrip("/"), None)
        return
    command = [sys.executable, "-m", "simplemem_service", "up", "-f", str(path), "--data", str(data)]
    command += ["--port", str(port if _is_free(port) else 0)]
    with tempfile.TemporaryFile("w+") as log:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603 - our own
        try:
            with console.status("starting the store (loading libraries and weights)"):
                address = _wait_ready(process, log)
            console.print(f"store ready at {address} after {time.monotonic() - started:.1f} s")
            yield Running(address, process)
        finally:
            process.terminate()
            process.wait(60)


def _wait_ready(process: subprocess.Popen[str], log: IO[str]) -> str:
    for line in process.stdout or ():
        if line.startswith("ready "):
            return line.split()[1]
    process.wait()
    log.seek(0)
    raise ConfigError(f"the store did not start: {log.read().strip()[-2000:]}")


def _is_free(port: int) -> bool:
    try:
        listen("127.0.0.1", port).close()
    except ServiceError:
        return False
    return True


def _read_sample(name: str) -> list[dict[str, Any]]:
    text = resources.files("simplemem_service.samples").joinpath(name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _batches(turns: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Bodies of POST /v1/turns: runs of one session."""
    for session_id in dict.fromkeys(turn["session_id"] for turn in turns):
        of_session = [turn for turn in turns if turn["session_id"] == session_id]
        for start in range(0, len(of_session), BATCH_TURNS):
            fields = ("id", "speaker", "text", "timestamp")
            batch = [{name: turn[name] for name in fields} for turn in of_session[start : start + BATCH_TURNS]]
            yield {"user_id": USER, "session_id": session_id, "turns": batch}


def _remember(console: Console, client: httpx.Client, turns: list[dict[str, Any]]) -> None:
    """Send the conversation and wait until all of it can be found."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    entries = 0
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"compressing {len(turns)} turns", total=len(turns))
        accepted = [call(client, "POST", "/v1/turns", json=body)["operation_id"] for body in _batches(turns)]
        for operation in accepted:
            ended = wait_ended(client, operation)
            entries += ended["entries"]
            progress.advance(task, ended["turns"])
    known = "" if entries else " (known from an earlier run)"
    console.print(f"{len(turns)} turns of 3 people on 6 days are searchable: {entries} new entries{known}")


def _ask(console: Console, client: httpx.Client, turns: dict[str, dict[str, Any]]) -> None:
    for question in _read_sample("questions.jsonl"):
        body = {"query": question["query"], "top_k": SHOWN_RESULTS, "filter": {"user_id": USER}}
        answer = call(client, "POST", "/v1/search", json=body)
        title = f"{question['query']}  ({answer['took_ms']:.0f} ms, {answer['context_tokens']} tokens)"
        table = Table("score", "memory", "from turn", title=title, title_justify="left", width=min(console.width, 120))
        for result in answer["results"]:
            sources = "\n".join(_describe(turns[source]) for source in result["sources"] if source in turns)
            table.add_row(f"{result['score']:.2f}", result["lossless_restatement"], sources)
        console.print(table)


def _describe(turn: dict[str, Any]) -> str:
    return f"{turn['id']}: {turn['speaker']}, {turn['timestamp'][:10]}"


def _stay(console: Console, running: Running) -> None:
    """Let the user go on with the store, if one sits at the terminal."""
    console.print(f"\nconsole and API: {running.url}  (API to try: {running.url}/docs)")
    if running.process is None:
        return
    if not (sys.stdin.isatty() and os.isatty(sys.stdout.fileno())):
        console.print("stopping the store, since nobody sits at a terminal; `simplemem up -f FILE` keeps one running")
        return
    console.print("stop it with Ctrl-C")
    try:
        running.process.wait()
    except KeyboardInterrupt:
        console.print("stopping")

"""What a thousand small batches leave behind: searches beside those of the same turns in large ones, files, versions.

    .venv/service/bin/python benchmarks/small_batches.py [--batches 1000] [--rest 690]

Two stores get the same turns: one in batches of two, each waited for, so that each is a commit of its own; the other in
batches of fifty. Both are then searched in turns, block by block, as machines are noisy. Prints one JSON line a figure:
name, value, unit, conditions.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.figures import emit, percentile  # noqa: E402
from benchmarks.service import TURNS_A_BATCH, WARM_UP, Text, questions, send, service, wait_done  # noqa: E402

SMALL = 2
"""Turns of a small batch."""
BLOCKS = 8
"""Times that each store is searched."""
QUESTIONS = 100
"""Questions of a block."""
REST_SECONDS = 690
"""How long the stores are left alone before files are counted: old versions go after ten minutes."""


def count(folder: Path) -> tuple[int, int]:
    """Files of a store, and versions of the table that has most."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    versions: dict[Path, int] = {}
    for path in files:
        if path.parent.name == "_versions" and path.suffix == ".manifest":
            versions[path.parent] = versions.get(path.parent, 0) + 1
    return len(files), max(versions.values(), default=0)


def remember_small(client: httpx.Client, batches: list[dict[str, Any]], folder: Path) -> tuple[int, int]:
    """Send batches one after the other, each once the one before can be found; most files and versions on the way."""
    most = (0, 0)
    for number, batch in enumerate(batches):
        wait_done(client, client.post("/v1/turns", json=batch).raise_for_status().json()["operation_id"])
        if number % 50 == 0:
            most = max(most[0], (found := count(folder))[0]), max(most[1], found[1])
            print(f"{number} of {len(batches)} small batches", file=sys.stderr, flush=True)
    return most


def compare(text: Text, clients: Sequence[httpx.Client], conditions: dict[str, Any]) -> None:
    """Search both stores, those of large batches first, and print how long it takes."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(BLOCKS):
        asked = questions(text, WARM_UP + QUESTIONS)
        for client, taken in zip(clients, times, strict=True):
            taken.extend(send(int(client.base_url.port or 0), asked, clients=1)["milliseconds"])
    large, small = (percentile(taken, 0.5) for taken in times)
    emit("large_batches_search_p50", large, "ms", **conditions)
    emit("small_batches_search_p50", small, "ms", **conditions)
    emit("small_batches_search_ratio", small / large, "", **conditions)


def main() -> None:
    """Fill both stores and compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--batches", type=int, default=1000, help="small batches (default 1000)")
    parser.add_argument("--rest", type=int, default=REST_SECONDS, help="seconds before files are counted (690)")
    options = parser.parse_args()
    wanted = options.batches
    text = Text()
    large = [text.batch(number, TURNS_A_BATCH) for number in range(wanted * SMALL // TURNS_A_BATCH)]
    small = [
        batch | {"turns": batch["turns"][start : start + SMALL]}
        for batch in large
        for start in range(0, TURNS_A_BATCH, SMALL)
    ]
    conditions = {"batches": len(small), "turns": len(small) * SMALL}
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        in_large, in_small = (stack.enter_context(service(folder))[0] for folder in folders)
        for batch in large:
            wait_done(in_large, in_large.post("/v1/turns", json=batch).raise_for_status().json()["operation_id"])
        files, versions = remember_small(in_small, small, folders[1] / "data")
        emit("small_batches_most_files", files, "files", **conditions)
        emit("small_batches_most_versions", versions, "versions", **conditions)
        compare(text, (in_large, in_small), conditions)
        print(f"nothing is written for {options.rest} s", file=sys.stderr, flush=True)
        time.sleep(options.rest)
        for name, folder in zip(("large", "small"), folders, strict=True):
            files, versions = count(folder / "data")
            emit(f"{name}_batches_files", files, "files", **conditions)
            emit(f"{name}_batches_versions", versions, "versions", **conditions)


if __name__ == "__main__":
    main()

"""What a store occupies, beside the conversation it was made of.

    .venv/service/bin/python benchmarks/storage.py

Starts `simplemem up` on a temporary folder, sends LoCoMo's development split where it lies (`LOCOMO_PATH`), else
synthetic turns, stops the service and adds up the files. Raw bytes are speaker, time and text of each turn in UTF-8.
Prints one JSON line a figure: name, value, unit, conditions.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.figures import emit  # noqa: E402
from benchmarks.locomo import locomo_path, read_conversations  # noqa: E402
from benchmarks.recall import bodies_of, send  # noqa: E402
from benchmarks.service import Text, service, wait_done  # noqa: E402

BATCHES = 60
"""Synthetic requests of 50 turns where the split is not there."""
PARTS = ("tables/entries.lance", "tables/turns.lance", "tables/history.lance", "journal")
"""What of a store is shown on its own."""


def read_bodies() -> tuple[str, list[dict[str, Any]]]:
    """What is to be remembered: the data's name, and requests."""
    path = locomo_path()
    if not path.is_file():
        text = Text()
        return "synthetic", [text.batch(number, 50) for number in range(BATCHES)]
    return path.stem, [body for conversation in read_conversations(path) for body in bodies_of(conversation)]


def raw_bytes(bodies: Iterable[dict[str, Any]]) -> int:
    """UTF-8 bytes of what was said, by whom and when."""
    said = [turn for body in bodies for turn in body["turns"]]
    return sum(len(f"{turn['speaker']}{turn['timestamp']}{turn['text']}".encode()) for turn in said)


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; 0 where there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def report(store: Path, index: Path, data: str, bodies: list[dict[str, Any]]) -> None:
    """Print what a store and its index occupy for each byte of what was said."""
    raw = raw_bytes(bodies)
    conditions = {"data": data, "turns": sum(len(body["turns"]) for body in bodies), "raw_bytes": raw}
    emit("stored_per_raw_byte", size_of(store) / raw, "ratio", **conditions)
    for part in PARTS:
        emit("stored_per_raw_byte_of", size_of(store / part) / raw, "ratio", part=part, **conditions)
    emit("index_per_raw_byte", size_of(index) / raw, "ratio", **conditions)


def main() -> None:
    """Fill a store and weigh it."""
    data, bodies = read_bodies()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with service(folder) as (client, _pid, _seconds):
            for operation in [send(client, body) for body in bodies]:
                wait_done(client, operation)
        (store,) = (folder / "data").glob("*/*/store")
        report(store, store.parent / "index", data, bodies)


if __name__ == "__main__":
    main()

"""What a store occupies, beside the conversation it was made of.

    .venv/service/bin/python benchmarks/storage.py

Starts `simplemem up` on a temporary folder, sends LoCoMo's development split where it lies (`LOCOMO_PATH`), else
synthetic turns, stops the service and adds up the files. Raw bytes are speaker, time and text of each turn in UTF-8.
Prints one JSON line a figure: name, value, unit, conditions.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.figures import emit  # noqa: E402
from benchmarks.locomo import DEFAULT_PATH, read_conversations  # noqa: E402
from benchmarks.recall import send  # noqa: E402
from benchmarks.service import Text, service, wait_done  # noqa: E402

BATCHES = 60
"""Synthetic batches of 50 turns where the split is not there."""
PARTS = ("tables/entries.lance", "tables/turns.lance", "tables/history.lance", "journal")
"""What of a store is shown on its own."""


def remember(client: Any) -> tuple[str, int, int]:
    """Send everything and wait: the data's name, its turns and their raw bytes."""
    try:
        conversations = read_conversations()
    except OSError:
        text = Text()
        bodies = [text.batch(number, 50) for number in range(BATCHES)]
        turns = [turn for body in bodies for turn in body["turns"]]
        raw = sum(len(f"{turn['speaker']}{turn['timestamp']}{turn['text']}".encode()) for turn in turns)
        operations = [client.post("/v1/turns", json=body).json()["operation_id"] for body in bodies]
        name = "synthetic"
    else:
        said = [turn for conversation in conversations for turn in conversation.turns]
        raw = sum(len(f"{turn.speaker}{turn.timestamp.isoformat()}{turn.text}".encode()) for turn in said)
        operations = [operation for conversation in conversations for operation in send(client, conversation)]
        turns, name = list(said), DEFAULT_PATH.stem
    for operation in operations:
        wait_done(client, operation)
    return name, len(turns), raw


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Fill a store and weigh it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with service(folder) as (client, _pid, _seconds):
            data, turns, raw = remember(client)
        (store,) = (folder / "data").glob("*/*/store")
        conditions = {"data": data, "turns": turns, "raw_bytes": raw}
        emit("stored_per_raw_byte", size_of(store) / raw, "ratio", **conditions)
        for part in PARTS:
            emit("stored_per_raw_byte_of", size_of(store / part) / raw, "ratio", part=part, **conditions)
        emit("index_per_raw_byte", size_of(store.parent / "index") / raw, "ratio", **conditions)


if __name__ == "__main__":
    main()

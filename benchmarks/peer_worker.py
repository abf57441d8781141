"""One engine in a process of its own, driven over standard input and output by `peers.py`.

    python -m benchmarks.peer_worker NAME MODEL_FOLDER DATA_FOLDER

One JSON object a line in, one out:

    {"remember": {"user": ..., "session": ..., "turns": [...]}}     {"seconds": ...}
    {"ask": {"user": ..., "question": ..., "top_k": ...}}           {"found": [...], "seconds": ..., "cpu_seconds": ...}
    {"weigh": true}                                                 {"resident_mb": ..., "stored_mb": ...}

Times are taken here, around the engine's call alone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peer_engines import ENGINES, Engine, Said


def answer(engine: Engine, folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request."""
    if "remember" in request:
        wanted = request["remember"]
        turns = [Said(**turn) for turn in wanted["turns"]]
        started = time.perf_counter()
        engine.remember(wanted["user"], wanted["session"], turns)
        return {"seconds": time.perf_counter() - started}
    if "ask" in request:
        wanted = request["ask"]
        started, used = time.perf_counter(), time.process_time()
        found = engine.ask(wanted["user"], wanted["question"], wanted["top_k"])
        seconds, used = time.perf_counter() - started, time.process_time() - used
        return {"found": found, "seconds": seconds, "cpu_seconds": used}
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"resident_mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6, "stored_mb": stored / 1e6}


def main() -> None:
    """Answer until standard input ends."""
    name, model, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    # What libraries print must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine: Engine = ENGINES[name](model, folder)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(engine, folder, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()

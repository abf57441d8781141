"""Speed of one store over HTTP: durable answers, ingest, search, start-up and memory.

    .venv/service/bin/python benchmarks/service.py [--entries 10000] [--prepared]

Starts `simplemem up` on a temporary folder, sends synthetic turns (Zipf-distributed words, 8 to 24 a turn, 50 users),
and prints one JSON line a figure: name, value, unit, conditions. The clients of a search (`load.py`) and the one that
asks /livez (`probe.py`) are processes of their own, on the same cores as the service, which takes from all figures
under load. Machines are noisy: compare figures of one run only.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.figures import emit, percentile  # noqa: E402

STORE = """
apiVersion: simplemem.io/v1alpha1
kind: MemoryStore
metadata: {name: bench}
spec: {tier: Minimal, lexical: {engine: Tantivy}, compression: {densityThreshold: "0"}}
"""
USERS = 50
VOCABULARY = 20_000
TURNS_A_BATCH = 50
CLIENTS = 16
"""Clients that ask at once where throughput is measured."""
STOP_SECONDS = 120
"""How long the service may take to stop before it is killed, which is told: it must be possible to start it again."""
WARM_UP = 20
"""Questions that are asked before those that count."""


class Text:
    """Synthetic turns, the same for every run."""

    def __init__(self) -> None:
        self.random = random.Random(7)  # noqa: S311 - repeatable data, no secret
        syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
        self.words = ["".join(self.random.choices(syllables, k=self.random.randint(2, 4))) for _ in range(VOCABULARY)]
        self.weights = list(itertools.accumulate(1 / (rank + 2) for rank in range(VOCABULARY)))

    def sentence(self, least: int = 8, most: int = 24) -> str:
        """A sentence of Zipf-distributed words."""
        words = self.random.choices(self.words, cum_weights=self.weights, k=self.random.randint(least, most))
        return " ".join(words).capitalize() + "."

    def batch(self, number: int, size: int) -> dict[str, Any]:
        """The body of POST /v1/turns."""
        turns = [
            {
                "id": f"{number}-{place}",
                "speaker": self.random.choice(["Ada", "Ben"]),
                "text": self.sentence(),
                "timestamp": f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}T10:00:00Z",
            }
            for place in range(size)
        ]
        return {"user_id": f"user-{number % USERS}", "session_id": f"session-{number}", "turns": turns}


@contextmanager
def service(folder: Path) -> Iterator[tuple[httpx.Client, int, float]]:
    """A running service: its client, its process id and the seconds until it was ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "store.yaml").write_text(STORE)
    command = [sys.executable, "-m", "simplemem_service", "up", "-f", str(folder / "store.yaml")]
    command += ["--port", str(port), "--data", str(folder / "data")]
    started = time.monotonic()
    with (folder / "service.log").open("a") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            wait_ready(client, process)
            yield client, process.pid, time.monotonic() - started
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print("the service did not stop in time and was killed", file=sys.stderr, flush=True)
            process.kill()
            process.wait()


def wait_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    """Return when /readyz says 200."""
    while process.poll() is None:
        try:
            if client.get("/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise SystemExit("the service ended before it was ready")


def wait_done(client: httpx.Client, operation: str) -> None:
    """Return when an operation has succeeded."""
    while (state := client.get(f"/v1/operations/{operation}").json()["state"]) != "Succeeded":
        if state == "Failed":
            raise SystemExit(f"operation {operation} failed")
        time.sleep(0.02)


def measure_ingest(client: httpx.Client, text: Text, entries: int) -> None:
    """Turns a second until the last is searchable."""
    batches = [text.batch(number, TURNS_A_BATCH) for number in range(entries // TURNS_A_BATCH)]
    started = time.monotonic()
    last = ""
    for batch in batches:
        answer = client.post("/v1/turns", json=batch)
        last = answer.raise_for_status().json()["operation_id"]
    wait_done(client, last)
    conditions = {"turns": entries, "batch": TURNS_A_BATCH, "clients": 1}
    emit("ingest", entries / (time.monotonic() - started), "turns/s", **conditions)


def measure_acknowledgement(client: httpx.Client, text: Text, entries: int, rounds: int = 200) -> None:
    """Time until a batch of five turns is durable, with nothing else going on but its ingest."""
    batches = [text.batch(100_000 + number, 5) for number in range(rounds)]
    times = []
    last = ""
    for batch in batches:
        started = time.perf_counter()
        answer = client.post("/v1/turns", json=batch)
        times.append((time.perf_counter() - started) * 1000)
        last = answer.raise_for_status().json()["operation_id"]
    wait_done(client, last)
    for share in (50, 99):
        emit(f"acknowledge_p{share}", percentile(times, share / 100), "ms", entries=entries, batch=5, rounds=rounds)


def measure_search(port: int, text: Text, entries: int, rounds: int = 300) -> None:
    """Latency of one client, within one user's memory and over all, and throughput of sixteen."""
    own, everyone = questions(text, rounds), [{"query": text.sentence(4, 9), "top_k": 10} for _ in range(rounds)]
    for name, bodies, scope in (("search", own, "user"), ("search_all", everyone, "store")):
        times = send(port, bodies, clients=1)["milliseconds"]
        conditions = {"entries": entries, "clients": 1, "scope": scope}
        emit(f"{name}_p50", percentile(times, 0.5), "ms", **conditions)
        emit(f"{name}_p95", percentile(times, 0.95), "ms", **conditions)
    asked = questions(text, 5 * rounds)
    with probing(port) as probed:
        sent = send(port, asked, clients=CLIENTS)
    conditions = {"entries": entries, "clients": CLIENTS, "scope": "user", "shared_cores": os.cpu_count()}
    emit("search_throughput", len(asked) / sent["seconds"], "1/s", **conditions)
    report_probes("under_load", probed, entries=entries, clients=CLIENTS)


def questions(text: Text, count: int) -> list[dict[str, Any]]:
    """Questions within one user's memory, each another; user after user."""
    return [
        {"query": text.sentence(4, 9), "top_k": 10, "filter": {"user_id": f"user-{number % USERS}"}}
        for number in range(count)
    ]


def send(port: int, bodies: list[dict[str, Any]], clients: int) -> dict[str, Any]:
    """Search by clients in another process; `milliseconds` of each question, `seconds` of all."""
    load = {"port": port, "path": "/v1/search", "clients": clients, "bodies": bodies, "warm_up": WARM_UP}
    command = [sys.executable, str(ROOT / "benchmarks" / "load.py")]
    done = subprocess.run(command, input=json.dumps(load), check=True, stdout=subprocess.PIPE, text=True)
    sent: dict[str, Any] = json.loads(done.stdout)
    return sent


@contextmanager
def probing(port: int) -> Iterator[dict[str, list[float]]]:
    """Ask /livez from another process during the block; the times are there after it."""
    found: dict[str, list[float]] = {}
    command = [sys.executable, str(ROOT / "benchmarks" / "probe.py"), str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the probe was started without pipes")
        process.stdout.readline()
        try:
            yield found
        finally:
            process.stdin.close()
            found.update(json.loads(process.stdout.read()))


def report_probes(when: str, probed: dict[str, list[float]], **conditions: Any) -> None:
    """Print how soon /livez answered, and how late the machine itself woke the process that asked."""
    conditions = {**conditions, "probes": len(probed["milliseconds"]), "shared_cores": os.cpu_count()}
    for share in (50, 99):
        emit(f"livez_p{share}_{when}", percentile(probed["milliseconds"], share / 100), "ms", **conditions)
    emit(f"prober_late_p99_{when}", percentile(probed["late"], 0.99), "ms", **conditions)


def resident_mb(pid: int) -> float:
    """Resident memory of a process, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def prepare(folder: Path, entries: int) -> None:
    """A store whose entries were never said: its table, as the service's own storage writes it, looked through."""
    from benchmarks.scale import build
    from simplemem_service.ingest.synthesizer import CURSORS
    from simplemem_service.storage.base import StoreIdentity
    from simplemem_service.storage.local_blobs import LocalBlobStore

    place = folder / "data" / "default" / "bench" / "store"
    place.mkdir(parents=True)
    asyncio.run(build(place, entries, USERS, StoreIdentity("all-MiniLM-L6-v2", 384)))
    # Stage 2 has seen all of it, as in any store of this size that has rested for a while.
    asyncio.run(LocalBlobStore(place).put_new(f"{CURSORS}/{entries - 1:019d}", b""))


def main() -> None:
    """Measure a fresh store, then its second start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, default=10_000, help="turns to remember (default 10000)")
    parser.add_argument("--prepared", action="store_true", help="write the table directly: no figures of ingest")
    options = parser.parse_args()
    entries: int = options.entries
    text = Text()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.prepared:
            prepare(folder, entries)
        with service(folder) as (client, pid, seconds):
            port = int(client.base_url.port or 0)
            if options.prepared:
                emit("start_without_index", seconds, "s", entries=entries)
            else:
                emit("start_empty", seconds, "s")
                with probing(port) as probed:
                    measure_ingest(client, text, entries)
                report_probes("during_ingest", probed, turns=entries)
            measure_acknowledgement(client, text, entries)
            measure_search(port, text, entries)
            emit("resident", resident_mb(pid), "MB", entries=entries)
        with service(folder) as (client, pid, seconds):
            emit("start_full", seconds, "s", entries=entries)
            emit("resident_after_start", resident_mb(pid), "MB", entries=entries)


if __name__ == "__main__":
    main()

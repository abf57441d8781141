"""What a density threshold drops of the LoCoMo development split, and what that costs.

    python benchmarks/density.py [--thresholds 0.05 0.1 ...] [--conversations conv-26 ...]

Everything is compressed by rules once a threshold and a size of the requests (single turns, five at a time, whole
sessions), in this process. Prints one JSON line a figure: the share of turns dropped, the share of evidence turns
dropped, and recall@10 where anything was dropped. The best threshold is the highest that drops no evidence at any size.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "service"), str(ROOT / "crds")]

from benchmarks.figures import emit, mean  # noqa: E402
from benchmarks.in_process import Engine  # noqa: E402
from benchmarks.locomo import Conversation, read_conversations, recall  # noqa: E402
from simplemem_service.embedding.local import LocalEmbedding  # noqa: E402
from simplemem_service.index.tantivy_index import TantivyIndex  # noqa: E402
from simplemem_service.models.entry import Vector  # noqa: E402

THRESHOLDS = (0.0, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.35, 0.5)
"""Thresholds tried unless told otherwise; 0 drops nothing and is what the others are compared with."""
BATCHES = (1, 5, None)
"""Turns sent at a time; None for a whole session."""
DEPTH = 10
"""Results looked at."""


class RememberingEmbedding(LocalEmbedding):
    """The local model, which encodes every text once."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self._documents: dict[str, Vector] = {}
        self._queries: dict[str, Vector] = {}

    @override
    async def encode_documents(self, texts: Sequence[str]) -> list[Vector]:
        unknown = [text for text in dict.fromkeys(texts) if text not in self._documents]
        if unknown:
            self._documents.update(zip(unknown, await super().encode_documents(unknown), strict=True))
        return [self._documents[text] for text in texts]

    @override
    async def encode_query(self, text: str) -> Vector:
        if text not in self._queries:
            self._queries[text] = await super().encode_query(text)
        return self._queries[text]


async def run(conversations: Sequence[Conversation], thresholds: Sequence[float]) -> None:
    """Compress and, where it can make a difference, ask, once a threshold and a size of the requests."""
    embedding = RememberingEmbedding("all-MiniLM-L6-v2")
    await embedding.load()
    for batch in BATCHES:
        for threshold in thresholds:
            await measure(embedding, conversations, batch, threshold)
    await embedding.close()


async def measure(
    embedding: LocalEmbedding, conversations: Sequence[Conversation], batch: int | None, threshold: float
) -> None:
    """Print what one threshold drops and costs."""
    engine = Engine(embedding, TantivyIndex(), density_threshold=threshold)
    for conversation in conversations:
        await engine.remember(conversation, batch)
    dropped = {(turn.user_id, turn.id) for window in engine.dropped for turn in window.turns}
    evidence = {(one.id, turn_id) for one in conversations for asked in one.questions for turn_id in asked.evidence}
    turns = sum(len(conversation.turns) for conversation in conversations)
    conditions = {"data": "LoCoMo dev, categories 1-4", "batch": batch or "session", "threshold": threshold}
    emit("dropped_turns", len(dropped) / turns, "share", **conditions)
    emit("dropped_evidence", len(dropped & evidence) / len(evidence), "share", **conditions)
    if dropped or not threshold:
        shares = [await ask(engine, conversation) for conversation in conversations]
        emit(f"recall@{DEPTH}", mean([share for one in shares for share in one]), "share", **conditions)
    engine.retriever.close()


async def ask(engine: Engine, conversation: Conversation) -> list[float]:
    """Share of its evidence that each question of a conversation finds."""
    shares = []
    for asked in conversation.questions:
        found = await engine.ask(conversation, asked.text, DEPTH)
        sources = [source for hit in found.hits for source in hit.entry.sources]
        shares.append(recall(sources, asked.evidence, DEPTH))
    return shares


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thresholds", nargs="+", type=float, default=THRESHOLDS, help="thresholds to try")
    parser.add_argument("--conversations", nargs="+", metavar="ID", help="only these, such as conv-26; default: all")
    options = parser.parse_args()
    wanted = options.conversations
    conversations = [found for found in read_conversations() if not wanted or found.id in wanted]
    asyncio.run(run(conversations, options.thresholds))


if __name__ == "__main__":
    main()

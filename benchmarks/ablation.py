"""Evidence recall on the LoCoMo development split with each signal of the recipe switched off in turn.

    python benchmarks/ablation.py [--conversations conv-26 ...]

The engine runs in this process; every question of categories 1 to 4 is asked once a variant. Prints one JSON line a
figure: name, value, unit, conditions. The first variant is the whole recipe, so the others are compared within one run.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "service"), str(ROOT / "crds")]

from benchmarks.figures import emit  # noqa: E402
from benchmarks.in_process import Engine  # noqa: E402
from benchmarks.locomo import Conversation, read_conversations, recall, reciprocal_rank  # noqa: E402
from benchmarks.recall import DEPTHS  # noqa: E402
from simplemem_service.embedding.local import LocalEmbedding  # noqa: E402
from simplemem_service.index.tantivy_index import TantivyIndex  # noqa: E402
from simplemem_service.pipeline.recipe import WEIGHTS, Recipe  # noqa: E402


async def run(conversations: Sequence[Conversation]) -> None:
    """Remember everything once and ask everything once a variant."""
    embedding = LocalEmbedding("all-MiniLM-L6-v2")
    await embedding.load()
    engine = Engine(embedding, TantivyIndex())
    for conversation in conversations:
        await engine.remember(conversation, None)
    whole = Recipe()
    variants = {"nothing": whole} | {name: whole.without(name) for name in WEIGHTS if whole.uses(name)}
    for name, recipe in variants.items():
        engine.use(recipe)
        await measure(engine, conversations, name)
    engine.retriever.close()
    await embedding.close()


async def measure(engine: Engine, conversations: Sequence[Conversation], without: str) -> None:
    """Print recall and reciprocal rank of one variant."""
    shares: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
    ranks: list[float] = []
    for conversation in conversations:
        for asked in conversation.questions:
            found = await engine.ask(conversation, asked.text, max(DEPTHS))
            sources = [source for hit in found.hits for source in hit.entry.sources]
            ranks.append(reciprocal_rank(sources, asked.evidence))
            for depth, share in shares.items():
                share.append(recall(sources, asked.evidence, depth))
    conditions = {"data": "LoCoMo dev, categories 1-4", "questions": len(ranks), "without": without}
    for depth, share in shares.items():
        emit(f"recall@{depth}", sum(share) / len(share), "share", **conditions)
    emit("mrr", sum(ranks) / len(ranks), "1/rank", **conditions)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", nargs="+", metavar="ID", help="only these, such as conv-26; default: all")
    wanted = parser.parse_args().conversations
    asyncio.run(run([found for found in read_conversations() if not wanted or found.id in wanted]))


if __name__ == "__main__":
    main()

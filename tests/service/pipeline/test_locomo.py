"""The recall gate: evidence found on the LoCoMo development split, a whole session at a time."""

from __future__ import annotations

import pytest

from benchmarks.in_process import Engine
from benchmarks.locomo import locomo_path, read_conversations, recall
from simplemem_service.embedding.local import LocalEmbedding
from simplemem_service.index.tantivy_index import TantivyIndex
from simplemem_service.pipeline.context import build_context

LEAST = {5: 0.77, 10: 0.84, 20: 0.88}
"""Recall that must be reached at each depth; about a point below what was measured."""
LONGEST_CONTEXT = 550
"""Mean length of the ten best as a text, in tokens, at most."""


@pytest.mark.locomo
@pytest.mark.skipif(not locomo_path().is_file(), reason="the LoCoMo development split is not there; set LOCOMO_PATH")
async def test_evidence_is_found(minilm: LocalEmbedding) -> None:
    engine = Engine(minilm, TantivyIndex(), density_threshold=0.05)
    conversations = read_conversations()
    for conversation in conversations:
        await engine.remember(conversation)
    shares: dict[int, list[float]] = {depth: [] for depth in LEAST}
    tokens: list[int] = []
    for conversation in conversations:
        for asked in conversation.questions:
            found = await engine.ask(conversation, asked.text, max(LEAST))
            sources = [source for hit in found.hits for source in hit.entry.sources]
            tokens.append(build_context([hit.entry for hit in found.hits[:10]], 10_000, minilm.count_tokens)[1])
            for depth, shares_at in shares.items():
                shares_at.append(recall(sources, asked.evidence, depth))
    engine.retriever.close()
    assert engine.dropped == []
    assert {depth: sum(found) / len(found) >= LEAST[depth] for depth, found in shares.items()} == dict.fromkeys(
        LEAST, True
    )
    assert sum(tokens) / len(tokens) <= LONGEST_CONTEXT

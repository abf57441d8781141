"""The embedding models that the catalogue knows (requirements: section 3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """An embedding model."""

    name: str
    """As a MemoryStore spells it."""
    dimension: int
    """Length of its vectors."""
    is_api: bool
    """Whether it is called over the network instead of being loaded."""


EMBEDDING_MODELS: dict[str, EmbeddingModel] = {
    model.name: model
    for model in (
        EmbeddingModel("all-MiniLM-L6-v2", 384, is_api=False),
        EmbeddingModel("all-mpnet-base-v2", 768, is_api=False),
        EmbeddingModel("multilingual-e5-large", 1024, is_api=False),
        EmbeddingModel("bge-large-en-v1.5", 1024, is_api=False),
        EmbeddingModel("text-embedding-3-small", 1536, is_api=True),
        EmbeddingModel("text-embedding-3-large", 3072, is_api=True),
    )
}
"""By name; any other sentence-transformers name is accepted with its dimension."""

"""What the service asks of an embedding model, wherever it runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from simplemem_service.models.entry import Vector


class Embedding(ABC):
    """A sentence embedding model. Errors are `EmbeddingError`s."""

    model: str
    """Name of the model, as the MemoryStore spells it."""
    dimension: int
    """Length of its vectors; known after `load`."""

    @abstractmethod
    async def load(self) -> None:
        """Load the weights and encode one sentence, so that the first query is not the slow one."""

    @abstractmethod
    async def encode_documents(self, texts: Sequence[str]) -> list[Vector]:
        """Unit vectors of shape (dimension,), float32, of texts to be stored, in their order."""

    @abstractmethod
    async def encode_query(self, text: str) -> Vector:
        """Unit vector of shape (dimension,), float32, of a question; queries go before documents."""

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """Length of a text in the model's tokens."""

    @abstractmethod
    def known_share(self, text: str) -> float:
        """Share of a text's tokens that the model has learned, in [0, 1]; 1 where it does not tell."""

    def forget(self) -> None:
        """Let go of every text and vector that this process remembers; nothing by default."""
        return

    async def sweep(self) -> bool:
        """Let go of everything remembered, wherever it is; False while it cannot be told whether all is gone."""
        self.forget()
        return True

    async def close(self) -> None:
        """Release what `load` took; nothing by default."""
        return

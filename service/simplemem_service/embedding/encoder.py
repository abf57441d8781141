"""What runs a model's network, by whatever library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

LONGEST_TEXT = 20_000
"""Characters of a text that are read at all; every model cuts off long before."""


class Encoder(ABC):
    """A loaded network. Not for use by two threads at once, but for its tokenizer. Errors are `EmbeddingError`s."""

    tokenizer: Any
    """The model's tokenizer, without padding or truncation: for counting."""
    max_tokens: int
    """Tokens of a text that the network reads, special ones included."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors of one batch, shape (texts, dimension), float32."""

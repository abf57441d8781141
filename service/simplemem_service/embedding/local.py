"""Embedding in this process: ONNX Runtime on processors, torch on a GPU or where a model cannot be converted.

Texts are grouped by length, since a batch costs as much as its longest text.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from simplemem_service.embedding.base import Embedding
from simplemem_service.embedding.batching import Batcher
from simplemem_service.embedding.converted import find_converted, user_cache
from simplemem_service.embedding.encoder import LONGEST_TEXT, Encoder
from simplemem_service.embedding.hub import download
from simplemem_service.embedding.model_files import describe_missing, find_prefixes, find_weights
from simplemem_service.embedding.vector_cache import VectorCache
from simplemem_service.errors import EmbeddingError, ModelNotFoundError
from simplemem_service.models.entry import Vector

logger = logging.getLogger(__name__)

BATCH_TOKENS = 256
"""Tokens of one batch of documents, padding included: about 20 ms with MiniLM on one core, which is how long a question
may have to wait. Larger batches are no faster on a processor."""
GPU_BATCH_TOKENS = 16_384
"""Tokens of one batch on a GPU, padding included: its arithmetic is idle below some ten thousand, and activations of a
model of 1024 dimensions take about 3 GB of a T4's 16."""
CACHED_VECTORS = 20_000
"""Sentences whose vectors are remembered, about 35 MB at 384 dimensions."""

CACHED_LENGTHS = 20_000
"""Texts whose length in tokens is remembered, since the same entries end up in many contexts."""

UNKNOWN_TOKENS = frozenset({"[UNK]", "<unk>"})
"""What tokenizers put in place of a piece of text that the model has never seen."""


class LocalEmbedding(Embedding):
    """A sentence-transformers model on the processor or a GPU of this process.

    Parameters
    ----------
    model
        Name as the MemoryStore spells it, with or without the owner on the hub.
    models_folder
        Folder of folders named like models, the first place to look for weights; None for none.
    cache_folder
        Where weights from the hub are kept; None for the library's default.
    encoders
        Where converted models are kept; None for the user's cache.
    is_offline
        Never ask the hub.
    device
        torch's name of the device, such as "cpu" or "cuda".
    threads
        Threads of one batch; None for as many as this process may run.
    """

    def __init__(
        self,
        model: str,
        *,
        models_folder: Path | None = None,
        cache_folder: Path | None = None,
        encoders: Path | None = None,
        is_offline: bool = False,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self.model = model
        self.dimension = 0
        self._encoders = encoders or user_cache()
        self._models_folder = models_folder
        self._cache_folder = cache_folder
        self._is_offline = is_offline
        self._device = device
        self._batch_tokens = BATCH_TOKENS if device == "cpu" else GPU_BATCH_TOKENS
        self._threads = threads
        self._prefixes = find_prefixes(model)
        self._cache = VectorCache(CACHED_VECTORS)
        self._lengths: dict[str, int] = {}
        self._encoder: Encoder | None = None
        self._batcher: Batcher | None = None

    @override
    async def load(self) -> None:
        """Load the weights and encode one sentence; raises `ModelNotFoundError` if they are nowhere."""
        encoder = await asyncio.to_thread(self._open)
        self._encoder = encoder
        self._batcher = Batcher(self._encode_queries, self._encode_documents, self._split)
        vector = await self._batcher.encode_query("Is anybody there?")
        self.dimension = len(vector)

    @override
    async def close(self) -> None:
        """End the encoder thread."""
        if self._batcher is not None:
            await asyncio.to_thread(self._batcher.close)

    @override
    async def encode_documents(self, texts: Sequence[str]) -> list[Vector]:
        """Unit vectors of texts to be stored, in their order; a text is encoded once however often it stands there."""
        known = self._cache.read(set(texts))
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        fresh = dict(zip(missing, await self._ready().encode_documents(missing), strict=True))
        self._cache.write(fresh)
        known.update(fresh)
        return [known[text] for text in texts]

    @override
    async def encode_query(self, text: str) -> Vector:
        """Unit vector of a question; it goes before documents."""
        return await self._ready().encode_query(text)

    @override
    def count_tokens(self, text: str) -> int:
        """Length of a text in the model's tokens, special ones not counted."""
        known = self._lengths.get(text)
        if known is None:
            # A batch of one: unlike `encode` it lets other threads run meanwhile.
            known = len(self._loaded().tokenizer.encode_batch([text], add_special_tokens=False)[0].ids)
            if len(self._lengths) >= CACHED_LENGTHS:
                self._lengths = {}
            self._lengths[text] = known
        return known

    @override
    def known_share(self, text: str) -> float:
        """Share of a text's tokens that the model has learned: MiniLM knows no more than a third of Chinese."""
        tokens = self._loaded().tokenizer.encode(text[:LONGEST_TEXT], add_special_tokens=False).tokens
        return 1.0 - sum(token in UNKNOWN_TOKENS for token in tokens) / len(tokens) if tokens else 1.0

    @override
    def forget(self) -> None:
        self._cache.clear()
        self._lengths = {}

    def _loaded(self) -> Encoder:
        if self._encoder is None:
            raise EmbeddingError(f"embedding model '{self.model}' is not loaded yet")
        return self._encoder

    def _ready(self) -> Batcher:
        if self._batcher is None:
            raise EmbeddingError(f"embedding model '{self.model}' is not loaded yet")
        return self._batcher

    def _open(self) -> Encoder:
        """The network, from a folder, from what was downloaded before, or from the hub."""
        where = find_weights(self.model, self._models_folder, is_offline=self._is_offline)
        if not Path(where).is_dir():
            where = download(self.model, where, self._cache_folder)
        if not (Path(where) / "config.json").is_file():
            raise ModelNotFoundError(describe_missing(self.model, [f"{where}: no config.json in it"]))
        if self._device == "cpu":
            from simplemem_service.embedding.onnx_encoder import OnnxEncoder

            converted = find_converted(Path(where), self._encoders)
            if converted is not None:
                try:
                    return OnnxEncoder(self.model, converted, self._threads)
                except EmbeddingError as error:
                    logger.warning("converted model unusable; the model runs in torch", extra={"error": str(error)})
        from simplemem_service.embedding.torch_encoder import TorchEncoder

        return TorchEncoder(self.model, where, self._device)

    def _encode_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self._loaded().encode([self._prefixes.query + text for text in texts])

    def _encode_documents(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self._loaded().encode([self._prefixes.document + text for text in texts])

    def _split(self, texts: Sequence[str]) -> list[list[int]]:
        """Places of texts in batches of similar length, each of at most so many tokens with padding."""
        encoder = self._loaded()
        encoded = encoder.tokenizer.encode_batch([text[:LONGEST_TEXT] for text in texts])
        lengths = [min(len(one.ids), encoder.max_tokens) for one in encoded]
        batches: list[list[int]] = []
        for place in sorted(range(len(texts)), key=lengths.__getitem__):
            if not batches or lengths[place] * (len(batches[-1]) + 1) > self._batch_tokens:
                batches.append([])
            batches[-1].append(place)
        return batches

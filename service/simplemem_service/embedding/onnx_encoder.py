"""A converted network run by ONNX Runtime: what serves on processors.

Loading takes a tenth of a second and 150 MB, where torch takes six seconds and 400 MB.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from simplemem_service.embedding import convert
from simplemem_service.embedding.encoder import LONGEST_TEXT, Encoder
from simplemem_service.errors import EmbeddingError

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Where a container reads how much processor time it gets: quota and period in microseconds, or "max"."""


class OnnxEncoder(Encoder):
    """A model that `convert` made.

    Parameters
    ----------
    model
        Its name, for messages.
    folder
        Where it lies; `EmbeddingError` if it cannot be read.
    threads
        Threads of one batch; None for as many as this process may run at a time.
    """

    def __init__(self, model: str, folder: Path, threads: int | None = None) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.inter_op_num_threads = 1
        # Threads that wait for the next batch must not burn the time of those that search.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            facts = json.loads((folder / convert.FACTS).read_text(encoding="utf-8"))
            graph = str(folder / convert.GRAPH)
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            text = (folder / convert.TOKENIZER).read_text(encoding="utf-8")
        except Exception as error:  # ONNX Runtime's exceptions have no base of their own
            raise EmbeddingError(
                f"embedding model '{model}' cannot be read from {folder}: {str(error)[:256]}"
            ) from error
        self.max_tokens = int(facts["max_tokens"])
        self.tokenizer = Tokenizer.from_str(text)
        self._encoding = Tokenizer.from_str(text)
        self._encoding.enable_truncation(self.max_tokens)
        self._pad = int(facts["pad_token"])
        self._model = model

    @override
    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        encoded = [one.ids for one in self._encoding.encode_batch([text[:LONGEST_TEXT] for text in texts])]
        ids = np.full((len(encoded), max(map(len, encoded))), self._pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        try:
            (vectors,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        except RuntimeError as error:
            raise EmbeddingError(f"embedding model '{self._model}' failed: {str(error)[:256]}") from error
        return np.asarray(vectors, dtype=np.float32)


def usable_cores() -> int:
    """Threads that can run at a time in this process: its cores, or the share of them that its container may use."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = CPU_QUOTA.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, round(int(quota) / int(period))))

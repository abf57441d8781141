"""A network run by sentence-transformers and torch: on a GPU, and where a model cannot be converted.

On processors that multiply bfloat16 natively the model runs in it: three times the speed of float32 on MiniLM, at a
cosine of .9998 to the float32 vectors at worst. Elsewhere bfloat16 is emulated and slow, so float32 stays.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from simplemem_service.embedding.encoder import LONGEST_TEXT, Encoder
from simplemem_service.embedding.model_files import describe_missing
from simplemem_service.errors import EmbeddingError, ModelNotFoundError

logger = logging.getLogger(__name__)


def find_device() -> str:
    """Torch's name of the best device here: "cuda" with a GPU that torch can use, else "cpu"."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    # An image with the processor build of torch, or a node whose driver is missing: slow, and not wrong.
    logger.warning("no GPU that torch can use; texts are encoded on the processor")
    return "cpu"


class TorchEncoder(Encoder):
    """A sentence-transformers model.

    Parameters
    ----------
    model
        Its name, for messages.
    folder
        Where its files lie; `ModelNotFoundError` if they are none of a model.
    device
        torch's name of the device, such as "cpu" or "cuda".
    """

    def __init__(self, model: str, folder: str, device: str) -> None:
        import torch
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from tokenizers import Tokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        try:
            network = SentenceTransformer(folder, device=device, local_files_only=True)
        except (OSError, ValueError, SafetensorError) as error:
            raise ModelNotFoundError(describe_missing(model, [f"{folder}: {str(error)[:256]}"])) from error
        # A copy for counting: the encoder's own truncates, and must not be used by two threads at once.
        self.tokenizer = Tokenizer.from_str(network.tokenizer.backend_tokenizer.to_str())
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.max_tokens = int(network.max_seq_length or 512)
        self._model = model
        self._device = device
        self._network = network.to(torch.bfloat16) if _has_native_bfloat16(torch, device) else network
        self._network.eval()

    @override
    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        import torch

        try:
            with torch.inference_mode():
                features = self._network.preprocess([text[:LONGEST_TEXT] for text in texts])
                moved = {name: _moved(value, self._device) for name, value in features.items()}
                vectors = self._network(moved)["sentence_embedding"].float()
                unit = torch.nn.functional.normalize(vectors, dim=1)
                return np.asarray(unit.cpu().numpy(), dtype=np.float32)
        except (RuntimeError, ValueError, TypeError) as error:
            raise EmbeddingError(f"embedding model '{self._model}' failed: {str(error)[:256]}") from error


def _moved(value: Any, device: str) -> Any:
    return value.to(device) if hasattr(value, "to") else value


def _has_native_bfloat16(torch: Any, device: str) -> bool:
    """Whether the device multiplies bfloat16 in hardware."""
    if device != "cpu":
        return bool(torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False))
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    with contextlib.suppress(AttributeError, RuntimeError):
        return any(getattr(torch.cpu, probe)() for probe in probes)
    return False

"""Turns a sentence-transformers model into a graph that runs without torch: ONNX with 8-bit weights.

    python convert.py SOURCE TARGET

Run in a process of its own, since torch takes seconds to import and hundreds of MB that a server need not carry. It
stands alone, so that an image can convert its model before the project's code is there. Weights are quantised in
blocks of `BLOCK` with a scale each, activations while they are multiplied: on MiniLM a question takes 1.0 ms instead
of 1.9 ms in 32 bits and 7.6 ms in torch with bfloat16 (two cores), at a cosine of .999 to the original. Quantising
whole matrices takes 0.7 ms and falls to .980. The result is compared with the original before it is kept.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

# ONNX Runtime 1.32 tells its makers of every session, and keeps an id of the machine for that; it reads this once, when
# it is loaded, and whoever loads it here imports this module first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

FORMAT = 1
"""Layout of the folder; another one is converted anew."""
GRAPH = "model.onnx"
"""File of the network: token ids and attention mask, int64 (texts, tokens), to unit vectors, float32 (texts, d)."""
TOKENIZER = "tokenizer.json"
"""File of the tokenizer, as the library `tokenizers` reads it."""
FACTS = "encoder.json"
"""File that says what the graph is; written last, so a folder without it is no model."""
BLOCK = 32
"""Weights that share a scale: the least that the library knows. 128 are 10% faster in batches, at .993 on rare text."""
LEAST_COSINE = 0.99
"""Agreement with the original that every probe must reach."""
OPSET = 17
PROBES = (
    "Where does she live now?",
    "I moved from Paris to Rome last summer.",
    "yes",
    "On 7 May 2023 the support group met again; Caroline brought her sister, who had just come back from Sweden.",
    "我去年三月从北京搬到了上海。",
    "The invoice over 1,250.40 euros is due on Friday, and nobody has called the customer yet! " * 6,
)
"""Texts of several lengths and kinds that the result is compared on."""


def convert(source: Path, target: Path) -> None:
    """Write the converted model of a folder into another one, which appears complete or not at all.

    Raises `ValueError` if even the unquantised graph does not agree with the original.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        work = Path(temporary)
        built = work / "built"
        built.mkdir()
        facts = _build(source, work, built)
        (built / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        # Another process may have been first; its result is as good.
        if not (target / FACTS).is_file():
            shutil.rmtree(target, ignore_errors=True)
            built.replace(target)


def _build(source: Path, work: Path, built: Path) -> dict[str, Any]:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

    # The other forms of attention cannot be exported.
    eager = {"attn_implementation": "eager"}
    network = SentenceTransformer(str(source), device="cpu", local_files_only=True, model_kwargs=eager).eval()
    # A copy: the network changes padding and truncation of its own at every call.
    tokenizer = Tokenizer.from_str(network.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    (built / TOKENIZER).write_text(tokenizer.to_str(), encoding="utf-8")
    wanted = network.encode(list(PROBES), normalize_embeddings=True, show_progress_bar=False)
    longest = int(network.max_seq_length or 512)
    plain = work / "plain.onnx"
    _export(network, plain)
    for quantised in (True, False):
        if quantised:
            _quantise(plain, built / GRAPH)
        else:
            shutil.copy(plain, built / GRAPH)
        cosine = _agreement(built / GRAPH, tokenizer, wanted, longest)
        if cosine >= LEAST_COSINE:
            dimension = int(wanted.shape[1])
            pad = int(network.tokenizer.pad_token_id or 0)
            bits = 8 if quantised else 32
            return {
                "format": FORMAT,
                "dimension": dimension,
                "max_tokens": longest,
                "pad_token": pad,
                "weight_bits": bits,
                "least_cosine": round(cosine, 5),
            }
    raise ValueError(f"the converted model differs from the original: cosine {cosine:.4f}, needed {LEAST_COSINE}")


def _export(network: Any, path: Path) -> None:
    """Write the network with its pooling as a graph for any number and length of texts."""
    import torch

    class Encoder(torch.nn.Module):  # type: ignore[misc] # torch is not followed by mypy
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            found = self.network({"input_ids": input_ids, "attention_mask": attention_mask})
            return torch.nn.functional.normalize(found["sentence_embedding"], dim=1)

    ids = torch.randint(5, 1000, (2, 16))
    axes = {0: "texts", 1: "tokens"}
    with torch.no_grad():
        torch.onnx.export(
            Encoder(),
            (ids, torch.ones_like(ids)),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "vectors": {0: "texts"}},
            opset_version=OPSET,
            dynamo=False,
        )


def _quantise(plain: Path, path: Path) -> None:
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
    from onnxruntime.quantization.shape_inference import quant_pre_process

    simplified = plain.with_name("simplified.onnx")
    quant_pre_process(str(plain), str(simplified), skip_symbolic_shape=True)
    # Accuracy level 4 multiplies in 8 bits.
    config = DefaultWeightOnlyQuantConfig(block_size=BLOCK, is_symmetric=True, accuracy_level=4, bits=8)
    quantizer = MatMulNBitsQuantizer(onnx.load(str(simplified)), algo_config=config)
    quantizer.process()
    quantizer.model.save_model_to_file(str(path), use_external_data_format=False)


def _agreement(path: Path, tokenizer: Any, wanted: Any, longest: int) -> float:
    """Least cosine of the graph's vectors of the probes, one by one and all together, with the original's."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    tokenizer.enable_truncation(longest)
    encoded = [one.ids for one in tokenizer.encode_batch(list(PROBES))]

    def run(texts: list[list[int]]) -> Any:
        ids = np.zeros((len(texts), max(map(len, texts))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        return session.run(None, {"input_ids": ids, "attention_mask": mask})[0]

    alone = np.concatenate([run([text]) for text in encoded])
    return float(min((alone * wanted).sum(axis=1).min(), (run(encoded) * wanted).sum(axis=1).min()))


def main() -> int:
    """Convert as the command line says; 0 if the result agrees with the original."""
    # Warnings of the libraries are no concern of whoever waits for a model.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    source, target = map(Path, sys.argv[1:3])
    target.parent.mkdir(parents=True, exist_ok=True)
    convert(source, target)
    return 0


if __name__ == "__main__":
    sys.exit(main())

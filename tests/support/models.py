"""A second real model for tests: the first three layers of MiniLM and a projection to 256 dimensions.

What it finds is of no use; that its vectors have nothing to do with MiniLM's is what tests need. The seed makes its
files the same in each run, so that its converted form is made once a machine.
"""

from __future__ import annotations

from pathlib import Path

from simplemem_service.embedding.model_files import find_weights

SMALL_MODEL = "minilm-half-256"
SMALL_DIMENSION = 256
LAYERS = 3
SEED = 7


def make_small_model(folder: Path) -> Path:
    """The folder of models with the model in it, made if need be."""
    target = folder / SMALL_MODEL
    if not (target / "modules.json").is_file():
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Dense, Normalize

        whole = SentenceTransformer(find_weights("all-MiniLM-L6-v2", None, is_offline=True), device="cpu")
        encoder = whole[0].auto_model.encoder
        encoder.layer = encoder.layer[:LAYERS]
        whole[0].auto_model.config.num_hidden_layers = LAYERS
        torch.manual_seed(SEED)
        dense = Dense(384, SMALL_DIMENSION, activation_function=torch.nn.Identity())
        network = SentenceTransformer(modules=[whole[0], whole[1], dense, Normalize()], device="cpu")
        network.save(str(target))
    return folder

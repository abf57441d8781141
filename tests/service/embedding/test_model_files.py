"""Where weights are looked for, and how models are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from simplemem_service.embedding.model_files import Prefixes, find_prefixes, find_weights
from simplemem_service.errors import ModelNotFoundError


def make_model(folder: Path) -> str:
    folder.mkdir(parents=True)
    (folder / "modules.json").write_text("[]")
    return str(folder)


def test_the_folder_of_models_comes_first(tmp_path: Path) -> None:
    expected = make_model(tmp_path / "all-MiniLM-L6-v2")
    assert find_weights("all-MiniLM-L6-v2", tmp_path, is_offline=True) == expected
    assert find_weights("sentence-transformers/all-MiniLM-L6-v2", tmp_path, is_offline=True) == expected


def test_an_owner_s_folder_comes_before_the_plain_one(tmp_path: Path) -> None:
    make_model(tmp_path / "own")
    expected = make_model(tmp_path / "acme" / "own")
    assert find_weights("acme/own", tmp_path, is_offline=True) == expected


def test_then_an_installed_package(tmp_path: Path) -> None:
    found = find_weights("all-MiniLM-L6-v2", tmp_path, is_offline=True)
    assert (Path(found) / "model.safetensors").is_file()


def test_then_the_hub_unless_offline() -> None:
    assert find_weights("bge-large-en-v1.5", None, is_offline=False) == "BAAI/bge-large-en-v1.5"
    assert find_weights("acme/own", None, is_offline=False) == "acme/own"
    with pytest.raises(ModelNotFoundError, match="'acme/own' not found"):
        find_weights("acme/own", None, is_offline=True)


@pytest.mark.parametrize("name", ["../secret", "/etc", "a/../../secret", ""])
def test_a_name_never_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    make_model(tmp_path / "secret")
    models = tmp_path / "models"
    models.mkdir()
    with pytest.raises(ModelNotFoundError):
        find_weights(name, models, is_offline=True)


@pytest.mark.parametrize(
    ("model", "query", "document"),
    [
        ("all-MiniLM-L6-v2", "", ""),
        ("multilingual-e5-large", "query: ", "passage: "),
        ("intfloat/e5-small-v2", "query: ", "passage: "),
        ("bge-large-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("BAAI/bge-m3", "", ""),
    ],
)
def test_models_are_used_as_their_cards_say(model: str, query: str, document: str) -> None:
    assert find_prefixes(model) == Prefixes(query, document)

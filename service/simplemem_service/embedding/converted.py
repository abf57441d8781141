"""Where a model's converted form lies, and its making where there is none yet."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

from simplemem_service.embedding import convert

logger = logging.getLogger(__name__)

BESIDE = "onnx-int8"
"""Folder beside the weights in which an image carries the converted form."""
READ_WHOLE = 4 * 1024 * 1024
"""Files up to this size count with all their bytes in a model's fingerprint; larger ones with size, start and end."""
TIMEOUT_SECONDS = 900.0
"""How long a conversion may take; the largest model of the catalogue takes about two minutes on two cores."""


def find_converted(weights: Path, cache: Path) -> Path | None:
    """The converted form of the model in a folder, made now if need be; None if the model cannot be converted.

    Blocking, for seconds the first time: call it in a thread.

    Parameters
    ----------
    weights
        Folder of the model.
    cache
        Where converted models are kept, a folder each, named by what the model's files hold.
    """
    beside = weights / BESIDE
    if is_converted(beside):
        return beside
    target = cache / f"{weights.name}-{fingerprint(weights)}"
    if is_converted(target):
        return target
    logger.info("converting the embedding model", extra={"weights": str(weights)})
    command = [sys.executable, "-I", convert.__file__, str(weights), str(target)]
    # The hub is not needed for a folder, and asking it would wait where there is no network.
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_SECONDS, env=environment)  # noqa: S603 - our own module
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", None) or b""
        last = said.decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
        logger.warning("model not converted; it runs in torch", extra={"weights": str(weights), "error": last[0][:256]})
        return None
    return target


def user_cache() -> Path:
    """Where converted models of the present user are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simplemem" / "encoders"


def is_converted(folder: Path) -> bool:
    """Whether a folder holds a converted model of the present layout."""
    try:
        facts = json.loads((folder / convert.FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and facts.get("format") == convert.FORMAT


def fingerprint(weights: Path) -> str:
    """What tells a model's files from another's, in 16 hexadecimal digits."""
    digest = hashlib.sha256(str(convert.FORMAT).encode())
    for path in sorted(path for path in weights.rglob("*") if path.is_file() and BESIDE not in path.parts):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(weights)}:{size};".encode())
        with path.open("rb") as file:
            digest.update(file.read(READ_WHOLE))
            if size > READ_WHOLE:
                file.seek(max(READ_WHOLE, size - READ_WHOLE))
                digest.update(file.read())
    return digest.hexdigest()[:16]

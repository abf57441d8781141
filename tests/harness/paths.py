"""Where the harness keeps what outlives a run: built programs, images and the node's state."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
"""The checkout that this harness belongs to."""


def cache_dir(*parts: str) -> Path:
    """Folder below the user's cache, created when missing.

    Parameters
    ----------
    *parts
        Names of the folders below ``${XDG_CACHE_HOME:-~/.cache}/simplemem``.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base.joinpath("simplemem", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder

"""Generated files: written where they differ, or only named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def write_outputs(wanted: Mapping[Path, str], is_check: bool) -> int:
    """Write the files that differ, and name them; a check only names them.

    Parameters
    ----------
    wanted
        What should stand in each file.
    is_check
        Write nothing.

    Returns
    -------
    int
        The exit status of the command: 1 for a check that found a stale file.
    """
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if not is_check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path])
        word = "stale, run `make generate`:" if is_check else "wrote"
        print(f"{word} {path.relative_to(ROOT)}")  # noqa: T201 - a command's output
    return 1 if is_check and stale else 0

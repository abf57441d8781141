"""The Python environment of the peers and the plots, apart from the service's.

    python benchmarks/environment.py        make it where it is absent, and print its interpreter

It is installed once per content of `peers.txt` (and Python) into `${XDG_CACHE_HOME:-~/.cache}/simplemem/environments`.
Wheels beside a development checkout are preferred to the index's. Only the standard library is used.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

PINS = Path(__file__).resolve().parent / "peers.txt"
"""What is installed."""
WHEELS = Path(__file__).resolve().parents[2] / "shared" / "wheels"
"""Wheels that are preferred to the index's, such as torch without CUDA; may be absent."""


def peers_python() -> Path:
    """The interpreter of the peers' environment, installed now if it is not there yet (minutes)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simplemem" / "environments"
    cache.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(f"{sys.version}{sys.platform}".encode() + PINS.read_bytes()).hexdigest()[:16]
    made = cache / f"peers-{key}"
    with (cache / ".peers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _install(made)
    return made / "bin" / "python"


def _install(place: Path) -> None:
    print(f"Making the peers' environment in {place} (a few minutes, once)", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".peers-") as folder:
        fresh = Path(folder) / "environment"
        venv.create(fresh, with_pip=True, symlinks=True)
        find = ["--find-links", str(WHEELS)] if WHEELS.is_dir() else []
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", *find]
        subprocess.run([fresh / "bin" / "python", *install, "-r", str(PINS)], check=True, stdout=sys.stderr)
        # Only its interpreter is ever called, which a rename does not harm.
        fresh.rename(place)


if __name__ == "__main__":
    print(peers_python())

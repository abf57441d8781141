"""Make .venv/<part> from its pinned requirements, out of a cache where it was made before.

    python3 requirements/install.py operator|service|docs [--wheels DIR]

An environment is installed once per content (requirements, Python, wheels) into
`${XDG_CACHE_HOME:-~/.cache}/simplemem/environments` and linked from there file by file, so that a fresh clone has it
in seconds; the project itself is installed editable on top. Only the standard library is used.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
KEPT = 3
"""Environments of a part that stay in the cache; older ones go."""


def requirements(part: str) -> list[Path]:
    """The files of a part; the last one takes in the others."""
    names = (f"{part}.txt", f"{part}-dev.txt")
    return [file for file in (ROOT / "requirements" / name for name in names) if file.exists()]


def content_key(part: str, wheels: Path | None) -> str:
    """Hash of all that decides what is installed."""
    digest = hashlib.sha256(f"{sys.version}{sys.platform}".encode())
    for file in requirements(part):
        digest.update(file.read_bytes())
    for wheel in sorted(wheels.glob("*.whl")) if wheels else ():
        digest.update(wheel.name.encode())
    return digest.hexdigest()[:16]


def make(part: str, wheels: Path | None) -> None:
    """Have .venv/<part> with what its requirements say and the project itself."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simplemem" / "environments"
    base.mkdir(parents=True, exist_ok=True)
    cached = base / f"{part}-{content_key(part, wheels)}"
    with (base / f".{part}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not cached.exists():
            _install(part, wheels, cached)
        cached.touch()
        _prune(base, part)
    target = ROOT / ".venv" / part
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(cached, target, symlinks=True, copy_function=_link)
    for script in (target / "bin").iterdir():
        _point_to(script, target)
    _name_anew(target)
    python = target / "bin" / "python"
    subprocess.run([python, *PIP, "--no-deps", "--editable", str(ROOT)], check=True)  # noqa: S603 - our own words


def _install(part: str, wheels: Path | None, cached: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cached.parent, prefix=f".{part}-") as folder:
        fresh = Path(folder) / "environment"
        venv.create(fresh, with_pip=True, symlinks=True)
        find = ["--find-links", str(wheels)] if wheels else []
        wanted = ["--only-binary", ":all:", *find, "-r", str(requirements(part)[-1])]
        subprocess.run([fresh / "bin" / "python", *PIP, *wanted], check=True)  # noqa: S603 - our own words
        fresh.rename(cached)


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _point_to(script: Path, environment: Path) -> None:
    """Let a script run the interpreter beside it instead of the one it was installed with."""
    if script.is_symlink() or not script.is_file():
        return
    content = script.read_bytes()
    first, _, rest = content.partition(b"\n")
    if not first.startswith(b"#!") or b"python" not in first:
        return
    mode = script.stat().st_mode
    # Written anew, since the file is the cache's own through the link.
    script.unlink()
    script.write_bytes(f"#!{environment / 'bin' / 'python'}\n".encode() + rest)
    script.chmod(mode)


def _name_anew(environment: Path) -> None:
    """Write the files that hold the environment's own path; unlinked first, since they are the cache's own."""
    for file in [environment / "pyvenv.cfg", *(environment / "bin").glob("[Aa]ctivate*")]:
        file.unlink()
    venv.EnvBuilder(symlinks=True).create(environment)


def _prune(base: Path, part: str) -> None:
    found = sorted(base.glob(f"{part}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in found[KEPT:]:
        shutil.rmtree(old)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make .venv/<part>.")
    parser.add_argument("part", choices=["operator", "service", "docs"])
    parser.add_argument("--wheels", type=Path, help="a folder of wheels that are preferred to the index's")
    options = parser.parse_args()
    make(options.part, options.wheels)

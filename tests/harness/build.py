"""Builds the programs of ``catalogue`` once per content, outside the checkout.

``python3 -m tests.harness.build control-plane`` (or ``node``, or names of programs). A program lies in
``tools/<hash>/<name>`` of the cache folder, where the hash covers all that decides its bytes: go.mod, go.sum, the Go
files beside them, the flags and the compiler. It gets there by a rename, so it is complete or absent, and a lock file
keeps two runs from building the same thing. Go fetches modules as its environment says (``GOPROXY``).
"""

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.harness.catalogue import PROGRAMS, SETS, Program
from tests.harness.errors import HarnessError
from tests.harness.locks import locked
from tests.harness.paths import cache_dir
from tests.harness.steps import run

BUILD_FLAGS = ("-p=2", "-mod=readonly", "-trimpath", "-buildvcs=false")
"""Two compilers at once, since each takes up to 2 GB; no path and no commit of this checkout in the program."""

BUILD_SECONDS = 3600
"""How long one program may take: kube-apiserver needs 200 s on two cores with nothing cached."""


def content_hash(program: Program, go_version: str) -> str:
    """First 20 hexadecimal digits of the SHA-256 over all that decides the program's bytes.

    Parameters
    ----------
    program
        The program; its Go module is read.
    go_version
        What ``go version`` prints: compiler, system and architecture.
    """
    digest = hashlib.sha256()
    for part in (program.name, program.package, program.linker_flags, *BUILD_FLAGS, go_version):
        digest.update(part.encode() + b"\0")
    for path in sorted(program.folder.iterdir()):
        if path.suffix in {".mod", ".sum", ".go"}:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:20]


def ensure(names: Iterable[str]) -> dict[str, Path]:
    """Paths of the programs by name, built where missing.

    A folder named by ``KUBEBUILDER_ASSETS`` takes precedence for the programs that lie in it.

    Raises
    ------
    HarnessError
        If a name is unknown, Go is missing, or a build fails.
    """
    return {name: _ensure_one(name) for name in names}


def built(name: str) -> Path | None:
    """Path of a program where it is there already; None where `ensure` would have to build it."""
    path = _place(name)
    return path if path.exists() else None


def _place(name: str) -> Path:
    if name not in PROGRAMS:
        raise HarnessError(f"program '{name}' is unknown; it must be one of {', '.join(sorted(PROGRAMS))}")
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and os.access(Path(assets) / name, os.X_OK):
        return Path(assets) / name
    return cache_dir("tools", content_hash(PROGRAMS[name], _go_version())) / name


def _ensure_one(name: str) -> Path:
    target = _place(name)
    if not target.exists():
        with locked(target.parent / ".lock"):
            if not target.exists():
                _build(PROGRAMS[name], target)
    return target


def _build(program: Program, target: Path) -> None:
    print(f"  building {program.name} (once; kept in the cache folder)", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as folder:
        built = Path(folder) / program.name
        flags = [*BUILD_FLAGS, "-ldflags", program.linker_flags, "-o", str(built)]
        # GOFLAGS of the caller must not change what the hash stands for; GOPROXY and the like stay.
        env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
        run(["go", "build", *flags, program.package], cwd=program.folder, env=env, timeout_seconds=BUILD_SECONDS)
        built.rename(target)
    print(f"  {time.monotonic() - started:7.1f} s  built {program.name}", flush=True)


@cache
def _go_version() -> str:
    try:
        return run(["go", "version"]).strip()
    except HarnessError as error:
        raise HarnessError(
            "Go was not found, but a program has to be built; install Go 1.26 or name a folder with the finished "
            "programs in KUBEBUILDER_ASSETS"
        ) from error


def main() -> None:
    """Build the named sets and programs and print where they lie."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="+", help=f"sets ({', '.join(SETS)}) or programs ({', '.join(PROGRAMS)})")
    wanted = parser.parse_args().names
    names = dict.fromkeys(name for word in wanted for name in SETS.get(word, (word,)))
    for name, path in ensure(names).items():
        print(f"{name} {path}")


if __name__ == "__main__":
    main()

"""Programs of Debian packages, unpacked into the cache folder: nothing is installed, and no service starts.

``apt-get download`` needs no root, only lists of packages; where those are missing, root brings them up to date.
"""

import os
import shutil
import tempfile
from pathlib import Path

from tests.harness.errors import HarnessError
from tests.harness.locks import apt_lock, locked
from tests.harness.paths import cache_dir
from tests.harness.steps import run, step


def unpacked(package: str, program: str) -> Path:
    """Path of a program: the one on PATH, else the one of the unpacked package.

    Parameters
    ----------
    package
        Name of the Debian package.
    program
        Name of the program in its ``usr/bin``.

    Raises
    ------
    HarnessError
        If the program is nowhere and the package cannot be had.
    """
    found = shutil.which(program)
    if found is not None:
        return Path(found)
    folder = cache_dir("tools") / f"debian-{package}"
    if not folder.exists():
        with locked(folder.with_suffix(".lock")):
            if not folder.exists():
                _unpack(package, folder)
    path = folder / "usr" / "bin" / program
    if not path.exists():
        raise HarnessError(f"Debian package '{package}' has no usr/bin/{program}; remove {folder} to fetch it again")
    return path


def _unpack(package: str, folder: Path) -> None:
    if shutil.which("apt-get") is None:
        raise HarnessError(f"'{package}' is not installed and there is no apt-get to fetch it")
    with (
        step(f"fetch Debian package {package}"),
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=".deb-") as path,
    ):
        temporary = Path(path)
        try:
            _download(package, temporary)
        except HarnessError:
            if os.geteuid() != 0:
                raise
            with apt_lock():
                run(["apt-get", "-qq", "update"])
            _download(package, temporary)
        (archive,) = temporary.glob("*.deb")
        run(["dpkg-deb", "--extract", archive, temporary / "tree"])
        (temporary / "tree").rename(folder)


def _download(package: str, folder: Path) -> None:
    run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package], cwd=folder)

"""An image of Redis out of the machine's own Debian packages, with the commands that the operator's script calls."""

import re
import shutil
from pathlib import Path

from tests.harness.errors import HarnessError
from tests.harness.oci import image_of_files
from tests.harness.steps import run

REDIS_IMAGE = "localhost/redis:harness"
"""Fixed name of the image, for the chart's ``redisImage``."""

PROGRAMS = ("redis-server", "redis-cli", "sh", "cut", "getent", "grep", "head", "sha1sum", "sleep", "timeout", "tr")
"""What is in its ``/bin``; ``redis-cli`` comes with the package redis-server."""

LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
"""A line of ``ldd`` that names a file: a library, or the loader."""


def redis_image() -> tuple[str, Path]:
    """Reference and archive of the image.

    Raises
    ------
    HarnessError
        If a program is missing.
    """
    programs = {f"/bin/{name}": _found(name) for name in PROGRAMS}
    libraries = {library: Path(library) for path in programs.values() for library in _libraries(path)}
    return image_of_files("redis", programs | libraries)


def _found(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise HarnessError(f"program '{name}' was not found; install the packages redis-server, coreutils and grep")
    return Path(found)


def _libraries(program: Path) -> list[str]:
    """Absolute paths of the libraries that a program loads, and of its loader."""
    return LIBRARY.findall(run(["ldd", program]))

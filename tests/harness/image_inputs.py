"""What decides an image of the product, as one key, and where its archive lies."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tests.harness.paths import REPOSITORY, cache_dir

INPUTS = {
    "operator": ("crds/simplemem_api", "operator/simplemem_operator", "requirements/operator.txt"),
    "service": ("crds/simplemem_api", "service/simplemem_service", "requirements/service.txt"),
}
"""Targets of the Dockerfile, and what each copies besides the files that both copy."""

COMMON = ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE")
"""Files that every target copies or is made from."""

SKIPPED = {"__pycache__"}
"""Folders that .dockerignore keeps out of the build."""


def image_name(target: str, tag: str = "dev") -> str:
    """Reference of the image of a target.

    Parameters
    ----------
    target
        ``operator`` or ``service``.
    tag
        ``dev`` for the name that stays, or the key of its content.
    """
    return f"localhost/simplemem-{target}:{tag}"


def image_key(target: str, extra: Iterable[str], root: Path = REPOSITORY) -> str:
    """First 16 hexadecimal digits of the SHA-256 over all that decides a target's image.

    Parameters
    ----------
    target
        ``operator`` or ``service``.
    extra
        What is not in the checkout: the base image, the wheels.
    root
        The checkout.
    """
    digest = hashlib.sha256()
    for text in extra:
        digest.update(text.encode() + b"\0")
    for path in _files(root / name for name in (*COMMON, *INPUTS[target])):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def names_in(archive: Path) -> tuple[str, str]:
    """Name that an archive's image has, and the name by its content that it is to have as well."""
    _, target, key = archive.stem.split("-")
    return image_name(target), image_name(target, key)


def newest_archive(target: str) -> Path | None:
    """Archive of a target that was written last, of whatever state of the checkout; None if there is none."""
    archives = cache_dir("images").glob(f"simplemem-{target}-*.tar")
    return max(archives, key=lambda archive: archive.stat().st_mtime, default=None)


def archive_path(target: str, key: str) -> Path:
    """File that holds the exported image; present only when complete."""
    return cache_dir("images") / f"simplemem-{target}-{key}.tar"


def _files(paths: Iterable[Path]) -> list[Path]:
    """All files in and below the paths, sorted; a path that does not exist is left to the Dockerfile to complain of."""
    found = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sorted(file for file in found if file.is_file() and not SKIPPED & set(file.parts))

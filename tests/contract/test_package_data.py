"""A wheel holds every file that the code reads beside it: pages, prompts, samples, price lists."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("crds/simplemem_api", "operator/simplemem_operator", "service/simplemem_service")


def data_files() -> list[Path]:
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    return sorted(path for path in found if path.suffix not in (".py", ".pyc"))


@pytest.mark.parametrize("path", data_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_beside_the_code_is_packaged(path: Path) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert settings["packages"]["find"].get("namespaces", True), "folders without __init__.py are packages of data"
    assert any(fnmatch(path.name, pattern) for pattern in settings["package-data"]["*"])


def test_the_code_asks_for_the_distribution_by_its_name() -> None:
    """The public index holds a `simplemem` of somebody else, so ours has another name."""
    name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    assert name == "simplemem-kubernetes"
    sources = [file.read_text() for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    asked = {found for text in sources for found in re.findall(r"\bversion\(['\"]([\w-]+)['\"]\)", text)}
    assert asked == {name}
    assert f'("{name}", sys.argv[1])' in (ROOT / "requirements" / "lock.py").read_text()

"""Build the documentation site out of the pages that lie beside the code.

    python -m docs.generators.site

Pages link to each other and to samples as they lie in the repository, so the site is built of a copy of the
repository's pages, and of the files that they link to, in the same places. A link that leads nowhere is an error.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAGE = ROOT / "build" / "pages"
"""Where the copy lies; docs/mkdocs.yml names it."""
PAGES = ("*.md", "*/README.md", "charts/*/README.md", "docs/*.md", "docs/reference/*.md")
LINK = re.compile(r"\]\(([^)\s#]+)")


def find_pages() -> list[Path]:
    """All pages of the site, as they lie in the repository."""
    return sorted({page for pattern in PAGES for page in ROOT.glob(pattern)})


def stage() -> None:
    """Copy the pages and what they link to."""
    shutil.rmtree(STAGE, ignore_errors=True)
    pages = find_pages()
    linked = {(page.parent / link).resolve() for page in pages for link in LINK.findall(page.read_text())}
    for file in [*pages, *(file for file in linked if file.is_file() and file.is_relative_to(ROOT))]:
        target = STAGE / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def main() -> int:
    """Build the site; the exit status of the builder."""
    stage()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(ROOT / "docs" / "mkdocs.yml")]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - our own words


if __name__ == "__main__":
    sys.exit(main())

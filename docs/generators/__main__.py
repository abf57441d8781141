"""Write docs/reference from the code, each part by the environment that has its libraries.

    python -m docs.generators operator|service [--check]

Run by `make generate`. On a clean tree it changes nothing.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from docs.generators.output import ROOT, write_outputs

FOLDER = ROOT / "docs" / "reference"


def main() -> int:
    """Write the pages that differ, and name them; with --check only name them and return 1."""
    parser = argparse.ArgumentParser(description="Write docs/reference from the code.")
    parser.add_argument("part", choices=["operator", "service"])
    parser.add_argument("--check", action="store_true", help="only tell what is stale")
    options = parser.parse_args()
    made: dict[str, str] = importlib.import_module(f"docs.generators.{options.part}_pages").pages()
    pages = {FOLDER / f"{name}.md": text.rstrip("\n") + "\n" for name, text in made.items()}
    return write_outputs(pages, options.check)


if __name__ == "__main__":
    sys.exit(main())

"""One table of a run's figures, with the targets beside them.

    for file in recall service storage; do .venv/service/bin/python benchmarks/$file.py; done > figures.jsonl
    .venv/service/bin/python benchmarks/summary.py figures.jsonl --docs docs/benchmarks.md

Reads JSON lines of the other benchmarks and writes a Markdown table to standard output, or between the two marks of a
page. Without a file it does nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
"""Marks of the part of a page that is written anew."""
TARGETS: dict[str, tuple[str, float]] = {
    "recall@5": (">=", 0.78),
    "recall@10": (">=", 0.85),
    "recall@20": (">=", 0.89),
    "context_tokens": ("<=", 550),
    "ingest": (">=", 120),
    "acknowledge_p50": ("<=", 15),
    "acknowledge_p99": ("<=", 100),
    "search_throughput": (">=", 150),
    "start_full": ("<=", 15),
    "resident_after_start": ("<=", 1500),
}
"""Figures that have a target whatever the size of the store."""
SEARCH_P50 = {10_000: 10.0, 100_000: 15.0, 1_000_000: 30.0}
"""Target of the median search within one user's memory, in ms, by the store's entries."""
SEARCH_P95_MS = 25.0
"""Target of the 95th percentile at 10,000 entries."""


def target_of(figure: dict[str, Any]) -> tuple[str, float] | None:
    """How a figure must compare, and with what; None where it has no target."""
    name, conditions = figure["name"], figure["conditions"]
    entries = conditions.get("entries") if isinstance(conditions, dict) else None
    if name == "search_p50" and entries in SEARCH_P50:
        return "<=", SEARCH_P50[entries]
    if name == "search_p95" and entries == min(SEARCH_P50):
        return "<=", SEARCH_P95_MS
    return TARGETS.get(name)


def is_met(value: float, target: tuple[str, float]) -> bool:
    """Whether a value holds its target."""
    comparison, bound = target
    return value >= bound if comparison == ">=" else value <= bound


def read_figures(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """All figures in their order; lines that are no JSON object are left out, since logs may stand between them."""
    lines = [line for path in paths for line in path.read_text().splitlines() if line.startswith("{")]
    return [figure for line in lines if "value" in (figure := json.loads(line))]


def render(figures: Iterable[dict[str, Any]]) -> str:
    """The table."""
    rows = ["| figure | value | unit | target | met | conditions |", "|---|---|---|---|---|---|"]
    for figure in figures:
        target = target_of(figure)
        aim = f"{target[0]} {target[1]:g}" if target else ""
        met = ("yes" if is_met(figure["value"], target) else "**no**") if target else ""
        conditions = figure["conditions"]
        if isinstance(conditions, dict):
            conditions = ", ".join(f"{name} {value}" for name, value in conditions.items())
        rows.append(
            f"| `{figure['name']}` | {figure['value']:,.5g} | {figure['unit']} | {aim} | {met} | {conditions} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Read, render, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", type=Path, help="files of JSON lines")
    parser.add_argument("--docs", type=Path, help="page with the marks to write between")
    options = parser.parse_args()
    if not options.figures:
        return
    table = render(read_figures(options.figures))
    if options.docs is None:
        print(table)
        return
    page = options.docs.read_text()
    before, after = page[: page.index(BEGIN)], page[page.index(END) :]
    options.docs.write_text(f"{before}{BEGIN}\n{table}\n{after}")


if __name__ == "__main__":
    main()

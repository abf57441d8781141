"""What a run gave, as Markdown: figures beside their targets, peers beside each other, and everything else.

    .venv/service/bin/python benchmarks/summary.py figures.jsonl

Reads JSON lines of the other benchmarks and writes to standard output. Only the standard library is used.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is to reach."""

    name: str
    """The figure."""
    comparison: str
    """">=" or "<="."""
    bound: float
    """In the figure's unit."""
    entries: int | None = None
    """Size of the store that it holds for; None for all."""
    stores: int | None = None
    """Number of stores that it holds for; None for all."""

    def concerns(self, figure: dict[str, Any]) -> bool:
        """Whether a figure has this target: of ingest over HTTP only, of recall with the whole recipe only."""
        conditions = figure["conditions"]
        if figure["name"] != self.name or (self.name == "ingest" and conditions.get("mode") == "in-process"):
            return False
        if "without" in conditions:
            return False
        sizes = {"entries": self.entries, "stores": self.stores}
        return all(size is None or conditions.get(name) == size for name, size in sizes.items())

    def is_met(self, value: float) -> bool:
        """Whether a value holds it."""
        return value >= self.bound if self.comparison == ">=" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.comparison} {self.bound:g}"


TARGETS = (
    Target("recall@5", ">=", 0.78),
    Target("recall@10", ">=", 0.85),
    Target("recall@20", ">=", 0.89),
    Target("context_tokens", "<=", 550),
    Target("search_p50", "<=", 10, entries=10_000),
    Target("search_p95", "<=", 25, entries=10_000),
    Target("search_p50", "<=", 15, entries=100_000),
    Target("search_p50", "<=", 30, entries=1_000_000),
    Target("search_throughput", ">=", 150, entries=10_000),
    Target("ingest", ">=", 120),
    Target("acknowledge_p50", "<=", 15),
    Target("acknowledge_p99", "<=", 100),
    Target("livez_p99_under_load", "<=", 50),
    Target("livez_p99_during_ingest", "<=", 50),
    Target("start_full", "<=", 15, entries=100_000),
    Target("resident_after_start", "<=", 1500, entries=100_000),
    Target("small_batches_search_ratio", "<=", 1.3),
    Target("acknowledged_lost", "<=", 0),
    Target("acknowledged_doubled", "<=", 0),
    Target("operator_cold_start_ready_seconds", "<=", 180, stores=1000),
    Target("operator_cold_start_peak_memory", "<=", 400, stores=1000),
    Target("operator_quiet_writes", "<=", 0),
    Target("operator_edit_slowest_seconds", "<=", 2),
    Target("operator_edit_beside_broken_slowest_seconds", "<=", 2),
)
"""In the order they are shown."""
PEER_COLUMNS = {
    "peer_recall@5": "R@5",
    "peer_recall@10": "R@10",
    "peer_recall@20": "R@20",
    "peer_mrr": "MRR",
    "peer_recall_gain@10": "SimpleMem is ahead at 10 by",
    "peer_ingest": "ingest, turns/s",
    "peer_search_p50": "search p50, ms",
    "peer_search_p95": "p95, ms",
    "peer_search_cpu": "processor, ms",
    "peer_resident": "resident, MB",
    "peer_stored": "on disk, MB",
}
"""Heading of each figure of a peer."""
OPERATOR_COLUMNS = {
    "operator_cold_start_applied_seconds": "cold start to all children, s",
    "operator_cold_start_ready_seconds": "to all Ready, s",
    "operator_cold_start_writes": "its writes",
    "operator_cold_start_cpu_seconds": "its processor, s",
    "operator_cold_start_peak_memory": "most memory, MiB",
    "operator_quiet_writes": "writes in 60 quiet s",
    "operator_quiet_cpu_share": "cores at rest",
    "operator_memory": "memory at rest, MiB",
    "operator_edit_slowest_seconds": "slowest of ten edits, s",
    "operator_edit_beside_broken_slowest_seconds": "beside broken stores, s",
    "operator_restart_seconds": "restart to an edit seen, s",
    "operator_restart_writes": "writes after it",
}
"""Heading of each figure of the operator, by the number of stores."""
ABLATION_COLUMNS = {"recall@5": "R@5", "recall@10": "R@10", "recall@20": "R@20", "mrr": "MRR"}
"""Heading of each figure of the recipe without one signal."""


def read_lines(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """All JSON objects in their order; other lines are left out, since logs may stand between them."""
    return [json.loads(line) for path in paths for line in path.read_text().splitlines() if line.startswith("{")]


def figures_of(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines that are figures."""
    return [line for line in lines if "value" in line]


def target_of(figure: dict[str, Any]) -> Target | None:
    """What a figure is to reach; None where nothing is set."""
    return next((target for target in TARGETS if target.concerns(figure)), None)


def render(lines: Sequence[dict[str, Any]]) -> str:
    """The whole summary."""
    figures = figures_of(lines)
    peers = [figure for figure in figures if figure["name"].startswith("peer_")]
    ablation = [figure for figure in figures if "without" in figure["conditions"]]
    scale = [figure for figure in figures if figure["name"] in OPERATOR_COLUMNS]
    rest = [figure for figure in figures if target_of(figure) is None and figure not in peers + ablation + scale]
    parts = [_render_run(lines), _render_targets(figures)]
    if scale:
        parts += ["### Growth with the number of stores", _render_matrix(scale, "stores", OPERATOR_COLUMNS)]
    if peers:
        parts += ["### Peers", _render_matrix(peers, "engine", PEER_COLUMNS)]
    if ablation:
        parts += ["### Signals switched off", _render_matrix(ablation, "without", ABLATION_COLUMNS)]
    if rest:
        parts += ["### All other figures", _render_rest(rest)]
    return "\n\n".join(part for part in parts if part)


def _render_run(lines: Iterable[dict[str, Any]]) -> str:
    """When, where and of what the figures were taken."""
    return "\n".join(
        f"Taken on {run['date']} of commit `{run['commit']}`{' with changes' if run['is_changed'] else ''}, on "
        f"{run['cores']} cores of {run['processor']} with {run['memory_gb']} GB; load before it: {run['load']}."
        for run in (line["run"] for line in lines if "run" in line)
    )


def _render_targets(figures: Sequence[dict[str, Any]]) -> str:
    aims = [(target_of(figure), figure) for figure in figures]
    aimed = [(target, figure) for target, figure in aims if target is not None]
    if not aimed:
        return ""
    aimed.sort(key=lambda pair: TARGETS.index(pair[0]))
    rows = ["| figure | measured | target | met | conditions |", "|---|---|---|---|---|"]
    for target, figure in aimed:
        met = "yes" if target.is_met(figure["value"]) else "**no**"
        rows.append(f"| `{figure['name']}` | {_measured(figure)} | {target} | {met} | {_conditions(figure)} |")
    return "\n".join(rows)


def _render_rest(figures: Iterable[dict[str, Any]]) -> str:
    rows = ["| figure | measured | conditions |", "|---|---|---|"]
    rows += [f"| `{figure['name']}` | {_measured(figure)} | {_conditions(figure)} |" for figure in figures]
    return "\n".join(rows)


def _render_matrix(figures: Iterable[dict[str, Any]], key: str, columns: Mapping[str, str]) -> str:
    """A row for each value of a condition, a column a figure; a figure with its interval where it has one."""
    named: dict[str, dict[str, str]] = {}
    for figure in figures:
        cell = f"{figure['value']:.3g}"
        if "interval" in figure["conditions"]:
            cell += f" ({figure['conditions']['interval']})"
        named.setdefault(figure["conditions"][key], {})[figure["name"]] = cell
    rows = [f"| {key} | {' | '.join(columns.values())} |", "|---" * (1 + len(columns)) + "|"]
    for name, cells in named.items():
        rows.append(f"| {name} | {' | '.join(cells.get(column, '') for column in columns)} |")
    return "\n".join(rows)


def _measured(figure: dict[str, Any]) -> str:
    value = figure["value"]
    digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{digits} {figure['unit']}"


def _conditions(figure: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in figure["conditions"].items())


def marks(of: str) -> tuple[str, str]:
    """Begin and end of a part of a page that is written anew."""
    return f"<!-- {of} -->", f"<!-- end of {of} -->"


def write_between_marks(page: Path, between: tuple[str, str], text: str) -> None:
    """Put a text between two marks of a page. Raises `ValueError` if a mark is missing."""
    begin, end = between
    content = page.read_text()
    before, after = content[: content.index(begin)], content[content.index(end) :]
    page.write_text(f"{before}{begin}\n{text}\n{after}")


def main() -> None:
    """Read and render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="+", type=Path, help="files of JSON lines")
    print(render(read_lines(parser.parse_args().figures)))


if __name__ == "__main__":
    main()

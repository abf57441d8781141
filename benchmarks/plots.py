"""Plots of a run, one SVG each, drawn from its JSON lines.

    python benchmarks/plots.py figures.jsonl docs/images

Runs in the environment of `peers.txt`. The background is transparent and all colours have a contrast of at least 3 with
white and with near-black, so that one file serves light and dark pages. A plot whose figures are absent is not drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from benchmarks.summary import TARGETS, figures_of, read_lines  # noqa: E402

INK = "#768390"
"""Text and axes: contrast 3.9 with white, 4.9 with #0d1117."""
OWN = "#2f81f7"
"""SimpleMem."""
OTHERS = ("#c4704f", "#8f7ee7", "#3d9a6d", "#a8842c", "#c2588f")
"""Other engines in their order."""
SIZE = (7.2, 3.4)
"""Inches; as wide as a page of text."""

mpl.rcParams.update(
    {
        "svg.fonttype": "none",
        "figure.constrained_layout.w_pad": 0.1,
        "figure.constrained_layout.h_pad": 0.1,
        "svg.hashsalt": "simplemem",
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": INK,
        "grid.alpha": 0.25,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
    }
)


def values(figures: Sequence[dict[str, Any]], name: str, key: str, **conditions: Any) -> dict[Any, float]:
    """Values of one figure by one of its conditions, where the others are as given."""
    return {
        figure["conditions"][key]: figure["value"]
        for figure in figures
        if figure["name"] == name
        and key in figure["conditions"]
        and all(figure["conditions"].get(other) == wanted for other, wanted in conditions.items())
    }


def colour_of(engines: Sequence[str]) -> dict[str, str]:
    """A colour an engine, the same in all plots."""
    return {"SimpleMem": OWN} | dict(zip([name for name in engines if name != "SimpleMem"], OTHERS, strict=False))


def draw_recall(figures: Sequence[dict[str, Any]], folder: Path) -> None:
    """Evidence recall of each engine at each depth."""
    depths = (5, 10, 20)
    shares = [values(figures, f"peer_recall@{depth}", "engine") for depth in depths]
    engines = list(shares[0])
    if not engines:
        return
    figure, axes = plt.subplots(figsize=SIZE)
    width = 0.8 / len(engines)
    for place, (engine, colour) in enumerate((name, colour_of(engines)[name]) for name in engines):
        left = [group - 0.4 + (place + 0.5) * width for group in range(len(depths))]
        bars = axes.bar(left, [100 * share[engine] for share in shares], 0.9 * width, color=colour, label=engine)
        axes.bar_label(bars, fmt="%.0f", fontsize=8, color=INK)
    axes.set_xticks(range(len(depths)), [f"at {depth}" for depth in depths])
    axes.set_ylabel("evidence found, percent")
    axes.set_ylim(0, 100)
    axes.grid(visible=False, axis="x")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=len(engines), fontsize=9)
    save(figure, folder / "recall.svg")


def draw_latency(figures: Sequence[dict[str, Any]], folder: Path) -> None:
    """Time of a search over HTTP by the size of the store, with the targets."""
    figure, axes = plt.subplots(figsize=SIZE)
    drawn = False
    for name, scope, colour in (("search", "user", OWN), ("search_all", "store", OTHERS[0])):
        where = "one user's memory" if scope == "user" else "the whole store"
        for share, line in ((50, "-"), (95, ":")):
            found = sorted(values(figures, f"{name}_p{share}", "entries", scope=scope).items())
            if found:
                axes.plot(*zip(*found, strict=True), line, marker="o", color=colour, label=f"{where}, p{share}")
                drawn = True
    if not drawn:
        plt.close(figure)
        return
    aims = [(aim.entries, aim.bound) for aim in TARGETS if aim.name == "search_p50"]
    axes.plot(*zip(*aims, strict=True), "_", color=INK, markersize=22, markeredgewidth=2, label="target of p50")
    axes.set_xscale("log")
    axes.set_xlabel("entries in the store")
    axes.set_ylabel("one search over HTTP, ms")
    axes.set_ylim(bottom=0)
    axes.set_xticks([10_000, 100_000, 1_000_000], ["10,000", "100,000", "1,000,000"])
    axes.minorticks_off()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=9)
    save(figure, folder / "latency.svg")


def draw_speed(figures: Sequence[dict[str, Any]], folder: Path) -> None:
    """Ingest and search of each engine, in process."""
    panels = (("peer_ingest", "ingest, turns a second (more is better)"), ("peer_search_p50", "search p50, ms (less)"))
    found = [values(figures, name, "engine") for name, _ in panels]
    if not all(found):
        return
    figure, both = plt.subplots(1, 2, figsize=(SIZE[0], 2.6), sharey=True)
    for axes, (_, title), measured in zip(both, panels, found, strict=True):
        engines = list(measured)[::-1]
        colours = colour_of(list(measured))
        bars = axes.barh(engines, [measured[name] for name in engines], color=[colours[name] for name in engines])
        axes.bar_label(bars, fmt=" {:.3g}", fontsize=9, color=INK)
        axes.set_xlim(0, 1.2 * max(measured.values()))
        axes.set_title(title, fontsize=10)
        axes.grid(visible=False, axis="y")
    save(figure, folder / "speed.svg")


def save(figure: Any, path: Path) -> None:
    """Write a figure without what changes from day to day."""
    figure.set_layout_engine("constrained")
    figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main() -> None:
    """Draw all plots."""
    figures = figures_of(read_lines([Path(sys.argv[1])]))
    folder = Path(sys.argv[2])
    draw_recall(figures, folder)
    draw_latency(figures, folder)
    draw_speed(figures, folder)


if __name__ == "__main__":
    main()

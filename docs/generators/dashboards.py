"""Draw the chart's dashboards from what a real Prometheus answered to their queries.

    E2E_DASHBOARDS=FILE make e2e
    python -m docs.generators.dashboards FILE

The first command records, the second, in the environment of benchmarks/peers.txt, writes docs/images/dashboard-*.png.
They show the panels, places and figures that Grafana shows, in plainer clothes.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "charts" / "simplemem-operator" / "dashboards"
IMAGES = ROOT / "docs" / "images"
COLUMNS = 24
"""Width of a dashboard in Grafana's units."""
UNIT_INCHES = 0.62, 0.44
"""Width and height of one of them."""
ROWS_SHOWN = 9
"""Lines of a table that there is room for."""
CELL_CHARACTERS = 22
"""Longest text in a cell."""
BACKGROUND, PANEL, INK, FAINT = "#111217", "#181b1f", "#ccccdc", "#6e7079"
LINES = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#b877d9", "#f2495c", "#8ab8ff", "#96d98d", "#ffb357", "#ca95e5"]

Series = list[dict[str, Any]]
"""What Prometheus answers to a query."""
Panel = dict[str, Any]
"""A panel in Grafana's model."""
Found = list[tuple[dict[str, Any], Series]]
"""The queries of a panel with their answers."""


def main() -> None:
    """Draw every dashboard."""
    parser = argparse.ArgumentParser(description="Draw the dashboards.")
    parser.add_argument("answers", type=Path, help="what the queries gave, as JSON")
    answers: dict[str, Series] = json.loads(parser.parse_args().answers.read_text())
    for path in sorted(DASHBOARDS.glob("*.json")):
        draw_dashboard(json.loads(path.read_text()), answers, IMAGES / f"dashboard-{path.stem}.png")


def draw_dashboard(dashboard: dict[str, Any], answers: dict[str, Series], target: Path) -> None:
    """Draw the panels of a dashboard where they lie.

    Parameters
    ----------
    dashboard
        Grafana's model of it.
    answers
        What its queries gave, by their expressions.
    target
        The image.

    Raises
    ------
    SystemExit
        If a panel would show nothing.
    """
    panels = dashboard["panels"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = plt.figure(figsize=(COLUMNS * UNIT_INCHES[0], height * UNIT_INCHES[1]), facecolor=BACKGROUND)
    for panel in panels:
        if panel["type"] == "row":
            _write_row(figure, panel, height)
            continue
        axes = _frame(figure, panel, height)
        found = [(query, answers.get(query["expr"], [])) for query in panel["targets"]]
        if not any(series for _, series in found):
            raise SystemExit(f"no data for the panel '{panel['title']}' of {target.name}: record the answers anew")
        DRAWERS[panel["type"]](axes, found, panel)
    figure.savefig(target, dpi=110, facecolor=BACKGROUND)
    plt.close(figure)


def _corner(panel: Panel, height: int) -> tuple[float, float]:
    """The left lower corner of a panel, as parts of the figure."""
    place = panel["gridPos"]
    return place["x"] / COLUMNS, 1 - (place["y"] + place["h"]) / height


def _write_row(figure: Figure, panel: Panel, height: int) -> None:
    left, bottom = _corner(panel, height)
    middle = bottom + panel["gridPos"]["h"] / height / 2
    figure.text(left + 0.005, middle, panel["title"], color=INK, fontsize=12, weight="bold", va="center")


def _frame(figure: Figure, panel: Panel, height: int) -> Axes:
    """A panel's frame and title; the axes within it."""
    left, bottom = _corner(panel, height)
    width, tall = panel["gridPos"]["w"], panel["gridPos"]["h"]
    frame = figure.add_axes(
        (left + 0.1 / COLUMNS, bottom + 0.1 / height, (width - 0.2) / COLUMNS, (tall - 0.2) / height)
    )
    frame.set(facecolor=PANEL, xticks=[], yticks=[])
    frame.spines[:].set_color("#2c3235")
    top = bottom + (tall - 0.25) / height
    figure.text(left + 0.25 / COLUMNS, top, panel["title"], color=INK, fontsize=9, va="top")
    # Room for the title above, for numbers beside, and for the gap between panels.
    margins = (0.9, 0.7, 0.3, 0.9) if panel["type"] in ("timeseries", "heatmap") else (0.2, 0.2, 0.2, 0.9)
    size = (width - margins[0] - margins[2]) / COLUMNS, (tall - margins[1] - margins[3]) / height
    axes = figure.add_axes((left + margins[0] / COLUMNS, bottom + margins[1] / height, *size), facecolor=PANEL)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=FAINT, labelsize=7, length=0)
    return axes


def _draw_stat(axes: Axes, found: Found, panel: Panel) -> None:
    _say(axes, write_value(float(found[0][1][0]["value"][1]), _unit(panel)), LINES[0], 20)


def _draw_bars(axes: Axes, found: Found, panel: Panel) -> None:
    values = [(_name(query, one["metric"]), float(one["value"][1])) for query, series in found for one in series]
    values.sort(key=lambda pair: pair[1])
    most = max((abs(value) for _, value in values), default=0) or 1
    axes.set(xlim=(0, most * 1.05), ylim=(-0.6, len(values) - 0.4), xticks=[], yticks=[])
    axes.barh(range(len(values)), [value for _, value in values], color=LINES[0], height=0.6, alpha=0.45)
    for place, (name, value) in enumerate(values):
        axes.text(
            most * 0.02, place, f"{name}   {write_value(value, _unit(panel))}", color=INK, fontsize=8, va="center"
        )


def _draw_lines(axes: Axes, found: Found, panel: Panel) -> None:
    lines = [(_name(query, one["metric"]), one["values"]) for query, series in found for one in series]
    last = max(float(values[-1][0]) for _, values in lines)
    for number, (name, values) in enumerate(lines):
        minutes = [(float(at) - last) / 60 for at, _ in values]
        axes.plot(minutes, [float(value) for _, value in values], color=LINES[number % len(LINES)], label=name, lw=1.2)
    low, high = axes.get_ylim()
    # Room for the legend.
    axes.set_ylim(min(0.0, low), high + 0.25 * (high - min(0.0, low)))
    axes.yaxis.set_major_formatter(lambda value, _: write_value(value, _unit(panel)))
    axes.xaxis.set_major_formatter(lambda minutes, _: write_ago(minutes))
    axes.grid(visible=True, color="#2c3235", lw=0.6)
    axes.legend(fontsize=6.5, frameon=False, labelcolor=INK, loc="upper left", ncols=2)


def _draw_heatmap(axes: Axes, found: Found, _panel: Panel) -> None:
    series = sorted(found[0][1], key=lambda one: float(one["metric"]["le"]))
    times = sorted({float(at) for one in series for at, _ in one["values"]})
    rows: list[list[float]] = []
    below = dict.fromkeys(times, 0.0)
    for one in series:
        # Buckets count all that is smaller, too.
        total = {float(at): float(value) for at, value in one["values"]}
        rows.append([max(0.0, total.get(at, 0.0) - below[at]) for at in times])
        below |= total
    ends = (times[0] - times[-1]) / 60, 0.0
    axes.imshow(rows, aspect="auto", origin="lower", cmap="inferno", extent=(*ends, -0.5, len(rows) - 0.5))
    marks = range(0, len(series), max(1, len(series) // 6))
    axes.set_yticks(list(marks), [series[place]["metric"]["le"] for place in marks])
    axes.xaxis.set_major_formatter(lambda minutes, _: write_ago(minutes))


def _draw_table(axes: Axes, found: Found, panel: Panel) -> None:
    hidden = {"__name__", "instance", "job", "pod", "container", "endpoint", "service", "node"}
    renamed: dict[str, str] = {}
    for change in panel.get("transformations", ()):
        hidden |= change["options"].get("excludeByName", {}).keys()
        renamed |= change["options"].get("renameByName", {})
    names = list(dict.fromkeys(key for _, series in found for one in series for key in one["metric"]))
    names = [name for name in names if name not in hidden]
    rows: dict[tuple[str, ...], list[str]] = {}
    for _, series in found:
        for one in series:
            key = tuple(one["metric"].get(name, "") for name in names)
            rows.setdefault(key, []).append(f"{float(one['value'][1]):g}")
    width = max(len(values) for values in rows.values())
    heads = ["Value"] if width == 1 else [f"Value #{letter}" for letter in "ABCDEFGH"[:width]]
    heads = [head for head in heads if head not in hidden]
    cells = [
        [text[:CELL_CHARACTERS] for text in (*key, *[*values, *[""] * width][: len(heads)])]
        for key, values in sorted(rows.items())
    ][:ROWS_SHOWN]
    axes.set_axis_off()
    labels = [renamed.get(head, head) for head in (*names, *heads)]
    table = axes.table(cells, colLabels=labels, loc="upper left", cellLoc="left", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    for cell in table.get_celld().values():
        cell.get_text().set_color(INK)
        cell.set_edgecolor("#2c3235")


DRAWERS: dict[str, Callable[[Axes, Found, Panel], None]] = {
    "stat": _draw_stat,
    "bargauge": _draw_bars,
    "timeseries": _draw_lines,
    "heatmap": _draw_heatmap,
    "table": _draw_table,
}


def _say(axes: Axes, text: str, color: str, size: float) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, color=color, fontsize=size, ha="center", va="center", transform=axes.transAxes)


def _unit(panel: Panel) -> str:
    return str(panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "short"))


def _name(query: dict[str, Any], metric: dict[str, str]) -> str:
    """A series as the panel's legend names it."""
    text = str(query.get("legendFormat") or "")
    for key, value in metric.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    text = re.sub(r"{{.*?}}", "", text).strip()
    return text or ", ".join(value for key, value in metric.items() if key != "__name__") or "none"


def write_ago(minutes: float) -> str:
    """A time before the last one: in seconds within the last few minutes."""
    return f"{minutes:.0f} min" if abs(minutes) >= 5 else f"{60 * minutes + 0.0:.0f} s"


def write_value(value: float, unit: str) -> str:
    """A figure with its unit, as short as Grafana writes it."""
    if unit == "percentunit":
        return f"{value:.1%}"
    if unit == "currencyUSD":
        return f"${value:,.2f}"
    if unit == "s":
        return f"{value * 1000:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
    if unit == "bytes":
        size = 1024.0
        for name in ("B", "KiB", "MiB"):
            if abs(value) < size:
                return f"{value:.3g} {name}"
            value /= size
        return f"{value:.3g} GiB"
    return f"{value:,.3g}" + {"reqps": " req/s", "ops": " ops/s"}.get(unit, "")


if __name__ == "__main__":
    main()

"""The summary of a run: what is a figure, what it is to reach, and how it is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.summary import Target, marks, read_lines, render, target_of, write_between_marks


def figure(name: str, value: float, unit: str = "ms", **conditions: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "conditions": conditions}


@pytest.mark.parametrize(
    ("name", "conditions", "bound"),
    [
        ("recall@5", {"questions": 582}, 0.78),
        ("search_p50", {"entries": 10_000}, 10),
        ("search_p50", {"entries": 100_000}, 15),
        ("search_p50", {"entries": 1_000_000}, 30),
        ("search_p50", {"entries": 2_000}, None),
        ("search_p95", {"entries": 100_000}, None),
        ("ingest", {"turns": 10_000}, 120),
        ("ingest", {"mode": "in-process"}, None),
        ("resident_after_start", {"entries": 1_000_000}, None),
        ("recall@5", {"without": "date"}, None),
        ("operator_cold_start_peak_memory", {"stores": 1000}, 400),
        ("operator_cold_start_peak_memory", {"stores": 300}, None),
        ("operator_quiet_writes", {"stores": 300}, 0),
        ("mrr", {}, None),
    ],
)
def test_a_target_holds_for_its_figure_and_size_alone(
    name: str, conditions: dict[str, Any], bound: float | None
) -> None:
    target = target_of(figure(name, 1, **conditions))
    assert (target.bound if target else None) == bound


@pytest.mark.parametrize(
    ("comparison", "value", "is_met"), [("<=", 10, True), ("<=", 10.01, False), (">=", 10, True), (">=", 9.99, False)]
)
def test_a_value_at_its_bound_meets_the_target(comparison: str, value: float, is_met: bool) -> None:
    assert Target("x", comparison, 10).is_met(value) is is_met


def test_figures_with_targets_come_first_in_the_targets_order() -> None:
    shown = render(
        [figure("mrr", 0.6, "1/rank"), figure("search_p50", 12.5, entries=10_000), figure("recall@5", 0.8, "share")]
    )
    assert [row for row in shown.splitlines() if row.startswith("| `")] == [
        "| `recall@5` | 0.8 share | >= 0.78 | yes |  |",
        "| `search_p50` | 12.5 ms | <= 10 | **no** | entries 10000 |",
        "| `mrr` | 0.6 1/rank |  |",
    ]


def test_peers_stand_beside_each_other() -> None:
    shown = render(
        [
            figure("peer_recall@5", 0.7712, "share", engine="SimpleMem"),
            figure("peer_recall@5", 0.36, "share", engine="other"),
            figure("peer_recall_gain@10", 0.31, "share", engine="other", interval="0.280 to 0.340"),
        ]
    )
    own, other = (row.split(" | ") for row in shown.splitlines() if row.startswith(("| SimpleMem", "| other")))
    assert own[:2] == ["| SimpleMem", "0.771"]
    assert other[:2] == ["| other", "0.36"]
    assert other[5] == "0.31 (0.280 to 0.340)"
    assert len(own) == len(other)


def test_signals_switched_off_stand_below_the_whole_recipe() -> None:
    shown = render(
        [
            figure("recall@5", 0.78, "share", without="nothing"),
            figure("mrr", 0.66, "1/rank", without="nothing"),
            figure("recall@5", 0.7, "share", without="date"),
        ]
    )
    assert [row for row in shown.splitlines() if row.startswith(("| nothing", "| date"))] == [
        "| nothing | 0.78 |  |  | 0.66 |",
        "| date | 0.7 |  |  |  |",
    ]


def test_the_operators_figures_stand_by_the_number_of_stores() -> None:
    shown = render(
        [
            figure("operator_cold_start_ready_seconds", 20.5, "s", stores=100),
            figure("operator_quiet_writes", 0, "requests", stores=100),
            figure("operator_cold_start_ready_seconds", 150.2, "s", stores=1000),
        ]
    )
    rows = [row.split(" | ") for row in shown.splitlines() if row.startswith(("| 100 ", "| 1000 "))]
    assert [row[:3] for row in rows] == [["| 100", "", "20.5"], ["| 1000", "", "150"]]
    assert rows[0][6] == "0"
    assert "All other figures" not in shown


def test_the_run_tells_when_and_of_what() -> None:
    run = {"date": "2026-01-02", "commit": "abc1234", "is_changed": True, "cores": 2, "processor": "A", "load": 0.1}
    shown = render([{"run": run | {"memory_gb": 24}}])
    assert shown.startswith("Taken on 2026-01-02 of commit `abc1234` with changes, on 2 cores of A with 24 GB")


def test_lines_of_logs_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "figures.jsonl"
    file.write_text(f"Loading weights\n{json.dumps(figure('mrr', 0.6))}\n\nwarning: {{}}\n")
    assert read_lines([file]) == [figure("mrr", 0.6)]


def test_only_what_stands_between_the_marks_is_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin, end = marks("figures")
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    write_between_marks(page, (begin, end), "new")
    assert page.read_text() == f"before\n{begin}\nnew\n{end}\nafter\n"


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no marks\n")
    with pytest.raises(ValueError, match="substring not found"):
        write_between_marks(page, marks("figures"), "new")
    assert page.read_text() == "no marks\n"

"""The operator's README lists the children of each tier as the golden pairs have them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TABLE = [
    line
    for line in (ROOT / "operator" / "README.md").read_text().splitlines()
    if re.match(r"\| (child|[A-Z]\w+/notes)", line)
]
HEAD, ROWS = TABLE[0], TABLE[1:]
TIERS = [cell.strip() for cell in HEAD.split("|")[2:-2]]
CASES = {
    "Minimal": "minimal",
    "CostEffective": "cost-effective",
    "GPUAccelerated": "gpu-accelerated",
    "Enterprise": "enterprise",
    "Hybrid": "hybrid",
}


@pytest.mark.parametrize("tier", TIERS)
def test_the_table_has_the_children_of_the_golden_pair(tier: str) -> None:
    case = ROOT / "tests" / "data" / CASES[tier]
    name = yaml.safe_load((case / "input.yaml").read_text())["metadata"]["name"]
    children = yaml.safe_load((case / "output.yaml").read_text())
    wanted = {f"{child['kind']}/{child['metadata']['name'].replace(name, 'notes', 1)}" for child in children}
    column = 2 + TIERS.index(tier)
    cells = [[cell.strip() for cell in row.split("|")] for row in ROWS]
    assert {row[1] for row in cells if row[column] == "yes"} == wanted


def test_the_tests_of_the_node_that_it_names_are_there() -> None:
    named = {name for row in ROWS for name in re.findall(r"`(test_\w+)`", row)}
    assert named
    assert [name for name in named if not (ROOT / "tests" / "e2e" / f"{name}.py").is_file()] == []


def test_all_tiers_are_there() -> None:
    assert list(CASES) == TIERS

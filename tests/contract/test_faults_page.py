"""The page of faults quotes words that the tests it names find."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \| (`test_[^|]+) \|$", (ROOT / "docs" / "faults.md").read_text(), re.MULTILINE
)
SOURCES = {
    node.name: ast.get_source_segment(text, node) or ""
    for path in (ROOT / "tests" / "cluster").glob("test_*.py")
    if (text := path.read_text())
    for node in ast.parse(text).body
    if isinstance(node, ast.FunctionDef)
}


def test_the_page_has_its_rows() -> None:
    assert len(ROWS) >= 18


@pytest.mark.parametrize(("fault", "said", "tests"), ROWS, ids=[row[0] for row in ROWS])
def test_what_a_fault_says_is_what_its_tests_find(fault: str, said: str, tests: str) -> None:
    named = re.findall(r"`(test_\w+)`", tests)
    assert named
    assert [name for name in named if name not in SOURCES] == [], fault
    bodies = "".join(SOURCES[name] for name in named)
    for words in re.findall(r"“([^”]+)”", said):
        assert words in bodies, words

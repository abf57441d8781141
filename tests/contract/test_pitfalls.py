"""Every pitfall that the operator's README lists is caught by tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(r"^\| (\d+)\. ([^|]+) \| ([^|]+) \|$", (ROOT / "operator" / "README.md").read_text(), re.MULTILINE)
PITFALLS = 15
"""As many as the rules for the operator name."""


def test_every_pitfall_is_listed_once() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, PITFALLS + 1))


@pytest.mark.parametrize(("number", "pitfall", "tests"), ROWS, ids=[row[1] for row in ROWS])
def test_the_tests_that_catch_a_pitfall_exist(number: str, pitfall: str, tests: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)
    assert len(named) == tests.count("::") > 0, f"{number}. {pitfall}"
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}

"""What users may meet, some README explains: reasons, conditions, settings, metrics, fields, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simplemem_api.conditions import ConditionType, Reason
from simplemem_service.__main__ import build_parser

ROOT = Path(__file__).resolve().parents[2]
OPERATOR = (ROOT / "operator" / "README.md").read_text()
SERVICE = (ROOT / "service" / "README.md").read_text()


@pytest.mark.parametrize("name", [*ConditionType, *Reason])
def test_every_condition_and_reason_is_explained(name: str) -> None:
    assert f"`{name}`" in OPERATOR


def test_every_metric_of_the_operator_is_listed() -> None:
    source = (ROOT / "operator" / "simplemem_operator" / "metrics.py").read_text()
    for name in re.findall(r'"(simplemem_operator_\w+)"', source):
        assert name in OPERATOR


def test_every_setting_of_the_service_is_listed() -> None:
    source = (ROOT / "service" / "simplemem_service" / "config.py").read_text()
    for name in set(re.findall(r"SIMPLEMEM_[A-Z_]+", source)):
        assert f"`{name}`" in SERVICE


def test_every_metric_of_the_service_is_listed() -> None:
    source = (ROOT / "service" / "simplemem_service" / "telemetry.py").read_text()
    names = re.findall(r'self\._(?:counter|gauge|histogram)\(\s*"(\w+)"', source)
    assert names
    for name in names:
        assert f"`simplemem_{name}" in SERVICE, name


def test_every_command_is_listed() -> None:
    (commands,) = (action for action in build_parser()._actions if hasattr(action, "choices") and action.choices)
    for name in commands.choices or ():
        assert f"simplemem {name}" in SERVICE


def test_every_sample_is_reachable_from_the_readme() -> None:
    assert "manifests/" in (ROOT / "README.md").read_text()
    for path in (ROOT / "manifests").glob("*.yaml"):
        assert path.read_text().startswith("#"), f"{path.name} says what it is for"

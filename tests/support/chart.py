"""The chart as helm renders it."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.harness.build import ensure
from tests.harness.catalogue import KUBERNETES_VERSION

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "simplemem-operator"
NAMESPACE = "simplemem-system"
RELEASE = "mem"


def helm(*args: str) -> subprocess.CompletedProcess[str]:
    """helm with arguments; whether it failed is for the caller to ask."""
    program = str(ensure(["helm"])["helm"])
    return subprocess.run([program, *args], capture_output=True, text=True, check=False)


@cache
def template_text(*sets: str) -> str:
    """All objects as text, with values as ``name=value``."""
    flags = [part for value in sets for part in ("--set", value)]
    done = helm("template", RELEASE, str(CHART), "--kube-version", KUBERNETES_VERSION, "-n", NAMESPACE, *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(text: str) -> list[dict[str, Any]]:
    """The objects of a YAML text, none of them empty."""
    return [document for document in yaml.safe_load_all(text) if document]


@cache
def _text_with_values(path: Path) -> str:
    done = helm("template", RELEASE, str(CHART), "--kube-version", KUBERNETES_VERSION, "-n", NAMESPACE, "-f", str(path))
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_values(path: Path) -> list[dict[str, Any]]:
    """All objects that a file of values gives."""
    return documents(_text_with_values(path))


def template(*sets: str) -> list[dict[str, Any]]:
    """All objects, with values as ``name=value``."""
    return documents(template_text(*sets))


def rule_groups(*sets: str) -> list[dict[str, Any]]:
    """The groups of the PrometheusRule, in the form that Prometheus reads from a file."""
    found = template("monitoring.rules.enabled=true", *sets)
    groups: list[dict[str, Any]] = next(item["spec"]["groups"] for item in found if item["kind"] == "PrometheusRule")
    return groups

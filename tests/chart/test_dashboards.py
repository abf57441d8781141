"""Dashboards are what Grafana's sidecar reads, and ask in valid PromQL for nothing that nobody counts."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, rule_groups, template
from tests.support.metrics import registered, used
from tests.support.tools import tool

FOLDER = CHART / "dashboards"
NAMES = ("fleet", "operator", "store")
VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$namespace": "team-a", "$store": "notes"}
"""What Grafana fills in."""


def dashboards() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def queries(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in panels(dashboard) for target in panel.get("targets", ())]


def test_there_is_one_for_the_fleet_one_for_a_store_and_one_for_the_operator() -> None:
    assert tuple(dashboards()) == NAMES


def test_they_are_left_out_unless_asked_for() -> None:
    assert not [found for found in template() if "-dashboard-" in found["metadata"]["name"]]


def test_each_is_a_config_map_that_the_sidecar_finds() -> None:
    sets = ("monitoring.dashboards.enabled=true", "monitoring.dashboards.annotations.folder=Memory")
    maps = {
        found["metadata"]["name"].rpartition("-")[2]: found
        for found in template(*sets)
        if "-dashboard-" in found["metadata"]["name"]
    }
    assert tuple(sorted(maps)) == NAMES
    for name, found in maps.items():
        assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert found["metadata"]["annotations"] == {"folder": "Memory"}
        # Nothing of Grafana's own braces is taken for a template's.
        assert json.loads(found["data"][f"simplemem-{name}.json"]) == dashboards()[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_asks_for_what_is_counted(name: str) -> None:
    recorded = {rule["record"] for group in rule_groups() for rule in group["rules"] if "record" in rule}
    for query in queries(dashboards()[name]):
        assert used(query) <= registered() | recorded, query
        assert used(query), query


def test_every_query_is_valid(tmp_path: Path) -> None:
    rules = []
    for name, dashboard in dashboards().items():
        for number, query in enumerate(queries(dashboard)):
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)  # noqa: PLW2901 - one variable after the other
            assert not re.search(r"\$[a-z_]", query), query
            rules.append({"record": f"{name}:{number}", "expr": query})
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    command = [str(tool("prometheus", "promtool")), "check", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_panels_have_ids_titles_units_and_a_source_that_can_be_chosen(name: str) -> None:
    dashboard = dashboards()[name]
    assert dashboard["uid"] == f"simplemem-{name}"
    ids = [panel["id"] for panel in panels(dashboard)]
    assert len(ids) == len(set(ids))
    for panel in panels(dashboard):
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
            assert panel["targets"], panel["title"]

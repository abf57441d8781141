"""A Grafana without the sidecar gets the chart's dashboards by the samples of `manifests/grafana`."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from tests.chart.test_dashboards import FOLDER, dashboards, panels
from tests.support.chart import CHART, ROOT

SAMPLES = ROOT / "manifests" / "grafana"
PAGE = ROOT / "docs" / "chart.md"


def sample(name: str) -> dict[str, Any]:
    """The one thing that a file provisions."""
    found = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    assert found.pop("apiVersion") == 1
    ((kind, (one,)),) = found.items()
    assert kind == {"datasources": "datasources", "dashboards": "providers"}[name]
    return dict(one)


@pytest.mark.parametrize("name", dashboards())
def test_a_dashboard_s_choice_of_a_source_begins_with_the_sample_s(name: str) -> None:
    source, dashboard = sample("datasources"), dashboards()[name]
    (choice,) = [one for one in dashboard["templating"]["list"] if one["type"] == "datasource"]
    assert choice["query"] == source["type"]
    # Without a current value and a filter Grafana takes the default source of that type.
    assert source["isDefault"]
    assert not {"current", "regex"} & choice.keys()
    named = re.findall(r'"uid": "([^"]+)"', json.dumps([dashboard["panels"], dashboard["templating"]]))
    assert set(named) == {f"${{{choice['name']}}}"}
    assert {panel["datasource"]["type"] for panel in panels(dashboard) if "datasource" in panel} == {source["type"]}


def test_the_source_knows_how_often_prometheus_scrapes() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    pauses = {values["metrics"]["serviceMonitor"]["interval"], values["monitoring"]["podMonitor"]["interval"]}
    assert pauses == {sample("datasources")["jsonData"]["timeInterval"]}


def test_the_page_brings_the_chart_s_files_to_where_the_provider_reads_them() -> None:
    provider = sample("dashboards")
    path = PurePosixPath(provider["options"]["path"])
    assert (provider["type"], path.is_absolute()) == ("file", True)
    text = PAGE.read_text()
    assert f"`{path}`" in text
    sources = re.findall(r"--from-file=(\S+)", text)
    samples = [f"manifests/grafana/{name}.yaml" for name in ("datasources", "dashboards")]
    assert sources == [str(FOLDER.relative_to(ROOT)), *samples]
    assert all((ROOT / source).exists() for source in sources)
    # What a ConfigMap may hold.
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 1 << 20
    # Grafana takes a dashboard from one file alone.
    assert len({dashboard["uid"] for dashboard in dashboards().values()}) == len(list(FOLDER.iterdir()))

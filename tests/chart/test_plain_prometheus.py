"""A Prometheus without the Prometheus operator scrapes by the sample what the chart's monitors name."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.build import ensure
from tests.harness.catalogue import KUBERNETES_VERSION
from tests.support import scraping
from tests.support.chart import CHART, ROOT, documents, helm
from tests.support.tools import tool

SAMPLE = ROOT / "manifests" / "prometheus" / "prometheus.yaml"
PAGE = ROOT / "docs" / "chart.md"
NAMESPACE = "simplemem-system"
VALUES = "metrics.serviceMonitor.enabled=true,monitoring.podMonitor.enabled=true"
FOR_KUBERNETES = ["--kube-version", KUBERNETES_VERSION]
"""A helm built from modules does not know of which version it is."""
ITS_OWN = {"job_name", "scrape_interval", "scrape_timeout", "metrics_path", "kubernetes_sd_configs"}
"""What does not decide which pods are scraped and by which labels; the path is Prometheus' default."""


def rendered() -> dict[str, dict[str, Any]]:
    """The specs of the monitors of the release that the sample is for."""
    done = helm("template", "simplemem", str(CHART), "-n", NAMESPACE, "--set", VALUES, *FOR_KUBERNETES)
    assert done.returncode == 0, done.stderr
    return {item["kind"]: item["spec"] for item in documents(done.stdout) if item["kind"].endswith("Monitor")}


def what(job: dict[str, Any]) -> dict[str, Any]:
    return {"honor_labels": False} | {key: value for key, value in job.items() if key not in ITS_OWN}


def test_the_sample_scrapes_what_the_monitors_name() -> None:
    stores, operator = yaml.safe_load(SAMPLE.read_text())["scrape_configs"]
    monitors = rendered()
    pods_job = scraping.pods_job(monitors["PodMonitor"])
    endpoints_job = scraping.endpoints_job(monitors["ServiceMonitor"], NAMESPACE)
    assert what(stores) == what(pods_job)
    # The sample looks into that namespace alone.
    within = {"source_labels": ["__meta_kubernetes_namespace"], "regex": NAMESPACE, "action": "keep"}
    rules = [rule for rule in endpoints_job["relabel_configs"] if rule != within]
    assert what(operator) == what(endpoints_job | {"relabel_configs": rules})
    assert operator["kubernetes_sd_configs"] == [{"role": "endpointslice", "namespaces": {"names": [NAMESPACE]}}]
    assert stores["kubernetes_sd_configs"] == [{"role": "pod"}]
    assert {pods_job["metrics_path"], endpoints_job["metrics_path"]} == {"/metrics"}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The file that the page's command writes."""
    command = next(line for line in PAGE.read_text().splitlines() if "templates/prometheusrule.yaml" in line)
    path = f"{Path(ensure(['helm'])['helm']).parent}:/usr/bin:/bin"
    here = command.replace("charts/simplemem-operator", shlex.join([str(CHART), *FOR_KUBERNETES]))
    subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", here], cwd=tmp_path, env={"PATH": path}, check=True)
    return tmp_path / "rules.yaml"


def test_the_pages_command_writes_the_rules_that_prometheus_reads(rules: Path) -> None:
    command = [str(tool("prometheus", "promtool")), "check", "rules", str(rules)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    names = [rule.get("alert") for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"]]
    assert "SimpleMemStoreNotReady" in names

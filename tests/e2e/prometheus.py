"""A real Prometheus that finds and scrapes what the chart's monitors name, and evaluates the chart's rules."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.e2e import kube
from tests.e2e.discovery import Discovery
from tests.e2e.stores import OPERATOR_NAMESPACE
from tests.harness.catalogue import KUBERNETES_VERSION
from tests.harness.debian import unpacked
from tests.harness.ports import free_ports
from tests.support import scraping

CHART = Path(__file__).resolve().parents[2] / "charts" / "simplemem-operator"
VALUES = {
    "metrics.serviceMonitor.enabled": "true",
    "metrics.serviceMonitor.interval": "5s",
    "monitoring.podMonitor.enabled": "true",
    "monitoring.podMonitor.interval": "5s",
    "monitoring.rules.enabled": "true",
}


class Prometheus:
    """Prometheus on the node's network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._discovery = Discovery(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{free_ports(1)[0]}"

    def start(self) -> None:
        """Start, and return once it answers."""
        self._discovery.start()
        objects = _monitoring_objects()
        jobs = [
            scraping.pods_job(objects["PodMonitor"]),
            scraping.endpoints_job(objects["ServiceMonitor"], OPERATOR_NAMESPACE),
        ]
        for job, targets in zip(jobs, ("pods", "endpoints"), strict=True):
            job["file_sd_configs"] = [{"files": [f"{targets}.json"], "refresh_interval": "2s"}]
        (self._folder / "rules.yaml").write_text(yaml.safe_dump({"groups": objects["PrometheusRule"]["groups"]}))
        settings = {
            "global": {"evaluation_interval": "5s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": jobs,
        }
        (self._folder / "prometheus.yaml").write_text(yaml.safe_dump(settings))
        command = [str(unpacked("prometheus", "prometheus")), f"--config.file={self._folder / 'prometheus.yaml'}"]
        command += [f"--storage.tsdb.path={self._folder / 'data'}", f"--web.listen-address={self.url[7:]}"]
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        kube.eventually(self._answers, within=60, what="Prometheus answers")

    def stop(self) -> None:
        """End it."""
        self._discovery.stop()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30)
        assert answer.status_code == httpx.codes.OK, f"{parameters}: {answer.text}"
        return answer.json()["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def query_range(self, expression: str, seconds: float, step: float = 5.0) -> list[dict[str, Any]]:
        """The series that an expression has given over the last while."""
        now = time.time()
        found: list[dict[str, Any]] = self.ask(
            "query_range", query=expression, start=str(now - seconds), end=str(now), step=str(step)
        )["result"]
        return found

    def targets(self) -> list[dict[str, Any]]:
        """What it scrapes."""
        found: list[dict[str, Any]] = self.ask("targets", state="active")["activeTargets"]
        return found

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "prometheus.log").read_text()[-2000:]
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def _monitoring_objects() -> dict[str, dict[str, Any]]:
    """Specs of the chart's monitors and rules by kind."""
    flags = [part for pair in VALUES.items() for part in ("--set", "=".join(pair))]
    flags += ["--kube-version", KUBERNETES_VERSION, "-n", OPERATOR_NAMESPACE]
    text = kube.run("helm", "template", "simplemem", str(CHART), *flags)
    found = [item for item in yaml.safe_load_all(text) if item]
    kinds = ("PodMonitor", "ServiceMonitor", "PrometheusRule")
    return {item["kind"]: item["spec"] for item in found if item["kind"] in kinds}

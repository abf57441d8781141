"""The store's own autoscaler follows the pods' own metrics, by a real Prometheus and a real prometheus-adapter.

What the pods would serve at /metrics is said for them, since they exist on paper; the rules are the sample's.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import NUMBERS, Space, eventually, on_paper
from tests.harness.aggregated import API_SERVER_FLAGS
from tests.harness.build import built
from tests.harness.control_plane import ControlPlane
from tests.harness.control_plane_flags import ControlPlaneOptions
from tests.harness.debian import unpacked
from tests.harness.ports import free_ports
from tests.harness.process import Process
from tests.harness.prometheus_adapter import PROGRAM, PrometheusAdapter

VALUES = Path(__file__).resolve().parents[2] / "manifests" / "prometheus-adapter" / "values.yaml"
NAME = "product"
P95 = "simplemem_retrieve_p95_seconds"
PENDING = "simplemem_pending_turns"
BOUNDS = (0.05, 0.1, 0.25, 0.5)
"""Upper bounds of the histogram's buckets, in seconds."""


@dataclass
class Pods:
    """What all pods of a store serve at /metrics: ten searches a second, each as slow as told, and what waits."""

    slow_seconds: float = 0.04
    """How long a search takes."""
    pending: int = 0
    """Turns that wait."""
    searches: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    """Searches so far, by bucket."""
    url: str = ""
    """Where they answer."""

    def count(self) -> None:
        """A tenth of a second has passed."""
        for number, bound in enumerate((*BOUNDS, float("inf"))):
            self.searches[number] += self.slow_seconds <= bound

    def text(self) -> str:
        """The exposition format; the processor of a pod's container stands still."""
        buckets = zip((*map(str, BOUNDS), "+Inf"), self.searches, strict=True)
        lines = [f'simplemem_retrieve_seconds_bucket{{le="{bound}"}} {count}' for bound, count in buckets]
        used = ["container_cpu_usage_seconds_total 0.5", "container_memory_working_set_bytes 1048576"]
        types = ["# TYPE simplemem_retrieve_seconds histogram"]
        return "\n".join([*types, *lines, f"simplemem_pending_turns {self.pending}", *used, ""])


@pytest.fixture(scope="module")
def pods() -> Iterator[Pods]:
    found = Pods()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = found.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ended = threading.Event()

    def search() -> None:
        while not ended.wait(0.1):
            found.count()

    searching = threading.Thread(target=search, daemon=True)
    searching.start()
    found.url = f"127.0.0.1:{server.server_port}"
    yield found
    ended.set()
    searching.join()
    server.shutdown()
    server.server_close()


class Prometheus:
    """A Prometheus that scrapes the pods it is told of, with the labels that the chart's PodMonitor gives."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{free_ports(1)[0]}"
        self.targets = folder / "targets.json"
        self.targets.write_text("[]")
        job = {
            "job_name": "simplemem-store",
            "honor_labels": True,
            "file_sd_configs": [{"files": [str(self.targets)], "refresh_interval": "1s"}],
        }
        config = {"global": {"scrape_interval": "2s"}, "scrape_configs": [job]}
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))

        command = [str(unpacked("prometheus", "prometheus")), f"--config.file={folder / 'prometheus.yaml'}"]
        command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={self.url[7:]}"]
        self.process = Process("prometheus", command, folder / "prometheus.log")

    def follow(self, space: Space, pods: Pods) -> None:
        """Scrape the pods that a namespace has now; a pod's name tells its series from others."""
        selector = "app.kubernetes.io/component=retrieval"
        items = json.loads(space.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        targets = [
            {
                "targets": [pods.url],
                "labels": {
                    "namespace": space.name,
                    "store": NAME,
                    "pod": pod["metadata"]["name"],
                    "container": pod["spec"]["containers"][0]["name"],
                    "node": pod["spec"].get("nodeName", ""),
                },
            }
            for pod in items
        ]
        partial = self.targets.with_suffix(".partial")
        partial.write_text(json.dumps(targets))
        partial.rename(self.targets)


def rules() -> dict[str, Any]:
    """The sample's rules as the adapter reads them, and the processor's, which metrics-server would serve."""
    sample = yaml.safe_load(VALUES.read_text())["rules"]
    cpu = "sum by (<<.GroupBy>>) (rate(container_cpu_usage_seconds_total{<<.LabelMatchers>>}[1m]))"
    memory = "sum by (<<.GroupBy>>) (container_memory_working_set_bytes{<<.LabelMatchers>>})"
    overrides = {name: {"resource": name} for name in ("namespace", "node", "pod")}

    def resource(query: str) -> dict[str, Any]:
        found = {"containerQuery": query, "nodeQuery": query, "containerLabel": "container"}
        return found | {"resources": {"overrides": overrides}}

    return {
        "rules": sample["custom"],
        "externalRules": sample["external"],
        "resourceRules": {"cpu": resource(cpu), "memory": resource(memory), "window": "1m"},
    }


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    if not built(PROGRAM):
        pytest.skip("prometheus-adapter is not built; `make test-prometheus-adapter` builds it")
    folder = tmp_path_factory.mktemp("prometheus")
    prometheus = Prometheus(folder)
    prometheus.process.start()
    yield prometheus
    prometheus.process.stop()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory, prometheus: Prometheus) -> Iterator[ControlPlane]:
    """An adapter, an operator, and pods on paper."""
    folder = tmp_path_factory.mktemp("adapter")
    options = ControlPlaneOptions(api_server_flags=API_SERVER_FLAGS)
    with (
        on_paper(folder, options) as fleet,
        PrometheusAdapter(fleet.plane, folder / "adapter", prometheus.url, rules()),
    ):
        yield fleet.plane


@pytest.fixture
def space(plane: ControlPlane) -> Space:
    return Space(plane, f"measured-{next(NUMBERS)}")


def replicas(space: Space) -> int:
    found = space.get("deployment", f"{NAME}-retrieval") or {}
    return int(found.get("spec", {}).get("replicas", -1))


def test_slow_answers_and_waiting_turns_add_pods_and_their_end_takes_them(
    space: Space, prometheus: Prometheus, pods: Pods
) -> None:
    space.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    slow = {"metric": {"name": P95}, "target": {"type": "AverageValue", "averageValue": "100m"}}
    store = {"matchLabels": {"store": NAME}}
    waiting = {
        "metric": {"name": PENDING, "selector": store},
        "target": {"type": "AverageValue", "averageValue": "5000"},
    }
    metrics = [{"type": "Pods", "pods": slow}, {"type": "External", "external": waiting}]
    space.store(
        NAME,
        storage={"s3": {"bucket": "memories", "credentialsSecretName": "bucket-keys"}},
        autoscaling={"minReplicas": 2, "maxReplicas": 6, "metrics": metrics},
    )
    eventually(lambda: space.ready(NAME).get("status") == "True", within=60)

    def scaled(count: int) -> bool:
        prometheus.follow(space, pods)
        return replicas(space) == count

    def current() -> dict[str, Any]:
        """What the autoscaler has read of each metric beside the processor."""
        prometheus.follow(space, pods)
        found = (space.get("hpa", f"{NAME}-retrieval") or {}).get("status", {}).get("currentMetrics") or []
        kinds = {"Pods": "pods", "External": "external"}
        return {one[kinds[one["type"]]]["metric"]["name"]: one for one in found if one["type"] in kinds}

    eventually(lambda: set(current()) == {P95, PENDING}, within=90, every=1)
    assert scaled(2)
    pods.slow_seconds = 0.2
    eventually(lambda: replicas(space) > 2 and scaled(replicas(space)), within=120, every=1)
    pods.slow_seconds = 0.04
    eventually(lambda: scaled(2), within=240, every=1)

    pods.pending = 20_000
    eventually(lambda: scaled(4), within=60, every=1)
    eventually(lambda: space.condition("RetrievalReady", NAME).get("message") == "4 of 4 pods answer", within=60)
    space.rest()
    written = len(space.writes())
    time.sleep(15)
    assert space.writes()[written:] == [], "the operator leaves the number alone"
    assert scaled(4)
    pods.pending = 0
    eventually(lambda: scaled(2), within=120, every=1)

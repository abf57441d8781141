"""A real KEDA scales a MemoryStore by the sample of `manifests/keda`, and the operator lets it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cluster.conftest import NUMBERS, Space, eventually, on_paper
from tests.harness.aggregated import API_SERVER_FLAGS
from tests.harness.build import built
from tests.harness.control_plane_flags import ControlPlaneOptions
from tests.harness.keda import PROGRAMS, Keda
from tests.support.chart import template

SAMPLE = Path(__file__).resolve().parents[2] / "manifests" / "keda" / "scaled-object.yaml"
NAME = "product"


@dataclass
class Figures:
    """Answers the sample's two queries as Prometheus does."""

    searches: float = 0.0
    """Searches a second, of all pods."""
    p95_milliseconds: str = "NaN"
    """95th percentile of a search; not a number where there was none."""
    asked: list[str] = field(default_factory=list)
    """Queries so far."""
    url: str = ""
    """Where it answers."""

    def answer(self, query: str) -> dict[str, Any]:
        """The answer to a query: nothing, unless it asks for the labels that the chart's PodMonitor gives."""
        self.asked.append(query)
        value = self.p95_milliseconds if "histogram_quantile" in query else str(self.searches)
        is_known = re.search(rf'{{job="simplemem-store", namespace="[^"]+", store="{NAME}"}}', query) is not None
        result = [{"metric": {}, "value": [time.time(), value]}] if is_known else []
        return {"status": "success", "data": {"resultType": "vector", "result": result}}


@pytest.fixture(scope="module")
def figures() -> Iterator[Figures]:
    found = Figures()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)["query"][0]
            body = json.dumps(found.answer(query)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def keda(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keda]:
    """KEDA, an operator, and pods on paper."""
    if not all(built(name) for name in PROGRAMS):
        pytest.skip("KEDA is not built; `make test-keda` builds it")
    folder = tmp_path_factory.mktemp("keda")
    options = ControlPlaneOptions(api_server_flags=API_SERVER_FLAGS)
    with on_paper(folder, options) as fleet, Keda(fleet.plane, folder) as keda:
        yield keda


@pytest.fixture
def space(keda: Keda) -> Space:
    return Space(keda.plane, f"scaled-{next(NUMBERS)}")


def replicas(space: Space) -> tuple[int, int]:
    """Pods that the MemoryStore asks for, and those that the Deployment does."""
    store, deployment = space.get("smem", NAME), space.get("deployment", f"{NAME}-retrieval")
    wanted = (store or {}).get("spec", {}).get("retrieval", {}).get("replicas", -1)
    return int(wanted), int((deployment or {}).get("spec", {}).get("replicas", -1))


def condition(space: Space, kind: str) -> str:
    """Status of a condition of the ScaledObject."""
    found = space.get("scaledobject", "product-retrieval") or {}
    conditions = found.get("status", {}).get("conditions", [])
    return next((str(one["status"]) for one in conditions if one["type"] == kind), "")


def applied_sample(space: Space, figures: Figures) -> None:
    text = SAMPLE.read_text().replace("namespace: default", f"namespace: {space.name}")
    text = text.replace("http://prometheus.monitoring:9090", figures.url)
    space.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", stdin=text)


def test_the_sample_scales_a_store_up_and_down_and_the_operator_lets_it(
    keda: Keda, space: Space, figures: Figures
) -> None:
    space.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    storage = {"s3": {"bucket": "memories", "credentialsSecretName": "bucket-keys"}}
    space.store(NAME, tier="GPUAccelerated", storage=storage, retrieval={"replicas": 3})
    eventually(lambda: space.ready(NAME).get("status") == "True", within=60)
    applied_sample(space, figures)
    eventually(lambda: condition(space, "Ready") == "True", within=60)
    autoscaler = eventually(lambda: space.get("hpa", "keda-hpa-product-retrieval"))
    assert autoscaler["spec"]["scaleTargetRef"] == {
        "apiVersion": "simplemem.io/v1alpha1",
        "kind": "MemoryStore",
        "name": NAME,
    }
    assert (autoscaler["spec"]["minReplicas"], autoscaler["spec"]["maxReplicas"]) == (3, 6)
    # The only autoscaler there is, and none of the operator's.
    assert space.kubectl("get", "hpa", "-o", "name").split() == [
        "horizontalpodautoscaler.autoscaling/keda-hpa-product-retrieval"
    ]
    eventually(lambda: len({query for query in figures.asked if "simplemem_retrieve" in query}) == 2, within=60)
    space.rest()
    assert replicas(space) == (3, 3)

    figures.searches = 95.0
    eventually(lambda: replicas(space) == (5, 5), within=60)
    eventually(lambda: space.condition("RetrievalReady", NAME).get("message") == "5 of 5 pods answer", within=60)
    space.rest()
    written, seen = len(space.writes()), space.get("smem", NAME)
    time.sleep(15)
    assert space.writes()[written:] == []
    assert replicas(space) == (5, 5)
    assert (space.get("smem", NAME) or {})["spec"] == (seen or {})["spec"]

    # Few searches, and slow ones: the second query counts for itself.
    figures.searches, figures.p95_milliseconds = 10.0, "210"
    eventually(lambda: replicas(space) == (6, 6), within=90)
    figures.searches, figures.p95_milliseconds = 0.0, "NaN"
    eventually(lambda: replicas(space) == (3, 3), within=150)
    # The operator has never written the number: to the MemoryStore nothing but its status.
    store = {line.split()[2] for line in space.writes() if f"memorystores/{NAME}" in line}
    assert store == {"status"}


def applied_by_chart(space: Space, figures: Figures) -> None:
    """What the chart makes of `keda.stores`, which it has no more of than the sample."""
    store = f"keda.stores[0].name={NAME},keda.stores[0].minReplicas=3,keda.stores[0].maxReplicas=6"
    sets = (f"keda.prometheus={figures.url}", store, f"keda.stores[0].namespace={space.name}")
    (found,) = [document for document in template(*sets) if document["kind"] == "ScaledObject"]
    space.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", stdin=json.dumps(found))


def test_a_store_that_sleeps_stays_asleep_and_wakes_with_its_number(space: Space, figures: Figures) -> None:
    space.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    storage = {"s3": {"bucket": "memories", "credentialsSecretName": "bucket-keys"}}
    space.store(NAME, tier="GPUAccelerated", storage=storage, retrieval={"replicas": 4})
    eventually(lambda: space.ready(NAME).get("status") == "True", within=60)
    figures.searches = 80.0
    applied_by_chart(space, figures)
    eventually(lambda: condition(space, "Ready") == "True", within=60)
    space.patch("smem", NAME, {"spec": {"suspend": True}})
    eventually(lambda: replicas(space)[1] == 0)
    time.sleep(15)
    assert replicas(space)[1] == 0
    space.patch("smem", NAME, {"spec": {"suspend": False}})
    eventually(lambda: replicas(space) == (4, 4), within=60)

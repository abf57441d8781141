"""The operator itself: quiet when nothing changes, absent, doubled, cut off."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.cluster.conftest import CHILD_KINDS, Space, eventually
from tests.cluster.test_children import KEYS, ON_A_VOLUME, S3
from tests.harness.operator import WRITER, Operator


def versions(space: Space) -> dict[str, str]:
    items = json.loads(space.kubectl("get", f"{CHILD_KINDS},smem", "-o", "json"))["items"]
    return {f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"] for item in items}


def test_sixty_quiet_seconds_see_no_write(space: Space, operator: Operator) -> None:
    space.secret("bucket-keys", **KEYS)
    resources = {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"memory": "1Gi"}}
    space.store(
        "one", tier="Minimal", pods={"resources": resources, "tolerations": [{"key": "x", "operator": "Exists"}]}
    )
    space.store("two", storage=S3, retrieval={"replicas": 2})
    space.store("three", storage=S3, autoscaling={"minReplicas": 2, "maxReplicas": 3})
    space.store("four", storage={"s3": {"bucket": "memories", "credentialsSecretName": "absent"}})
    for name in ("one", "two", "three", "four"):
        space.settled(name)
        # What has run so far is told by the first look after the one that made everything.
        eventually(lambda name=name: "measured" in space.settled(name)["status"]["cost"], within=90)  # type: ignore[misc]
    time.sleep(10)
    before, written = versions(space), len(space.plane.writes(WRITER))
    counted = operator.metrics("simplemem_operator_api_writes_total")
    time.sleep(60)
    assert versions(space) == before
    assert len(space.plane.writes(WRITER)) == written
    assert operator.metrics("simplemem_operator_api_writes_total") == counted


def test_a_store_deleted_while_no_operator_runs_leaves_nothing(
    bare_space: Space, bare_credentials: Path, tmp_path: Path
) -> None:
    operator = Operator(bare_credentials, tmp_path)
    operator.start()
    bare_space.store(tier="Minimal", storage={"deletionPolicy": "Delete"})
    eventually(lambda: bare_space.names() == ON_A_VOLUME)
    operator.stop()
    bare_space.kubectl("delete", "smem", "notes", "--timeout=10s")
    operator.start()
    eventually(lambda: bare_space.names() == set(), within=60)
    operator.stop()


def test_prices_of_ones_own_reach_the_status(bare_space: Space, bare_credentials: Path, tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("catalogue: acme 2027\ntiers: {Minimal: {server: '33'}}\n")
    operator = Operator(bare_credentials, tmp_path, flags=["--prices", str(prices)])
    operator.start()
    bare_space.store(tier="Minimal")
    cost = eventually(lambda: (bare_space.get("smem", "notes") or {}).get("status", {}).get("cost"))
    operator.stop()
    assert cost["catalogue"] == "acme 2027"
    assert {item["name"]: item["monthlyUSD"] for item in cost["items"]}["server"] == "33.00"
    bare_space.kubectl("delete", "smem", "notes")


def test_two_operators_make_no_child_twice(space: Space, credentials: Path, tmp_path: Path) -> None:
    second = Operator(credentials, tmp_path, "second")
    second.start()
    space.store(tier="Minimal")
    eventually(lambda: space.names() == ON_A_VOLUME)
    space.settled()
    time.sleep(3)
    before = versions(space)
    time.sleep(12)
    assert versions(space) == before
    second.stop()


def test_an_api_server_that_stands_still_is_survived(space: Space, operator: Operator) -> None:
    space.store(tier="Minimal")
    eventually(lambda: space.names() == ON_A_VOLUME)
    with space.plane.paused():
        time.sleep(8)
        assert operator.healthz()[0] == 200
    space.kubectl("delete", "service", "notes")
    eventually(lambda: space.names() == ON_A_VOLUME, within=90)


def test_a_restarted_api_server_is_found_again(space: Space, operator: Operator) -> None:
    space.store(tier="Minimal")
    eventually(lambda: space.names() == ON_A_VOLUME)
    space.plane.restart_api_server(down_seconds=2)
    space.kubectl("delete", "configmap", "notes-config")
    eventually(lambda: space.names() == ON_A_VOLUME, within=180)
    assert operator.healthz()[0] == 200

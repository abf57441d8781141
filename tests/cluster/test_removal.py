"""The data of a deleted store goes from its bucket under `deletionPolicy: Delete`, and nothing is ever stuck.

The operator, the API server, the controllers and the S3 server are real. There are no kubelets: what a pod would run is
run here, by the pod's own words, and its end is written into its status.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simplemem_operator.caches import Caches
from simplemem_operator.claims import Claims
from simplemem_operator.heartbeat import Heartbeat
from simplemem_operator.models.desired import Images
from simplemem_operator.removal import Removals
from tests.cluster.conftest import Space, cluster_of, eventually
from tests.cluster.test_children import KEYS, ON_S3, lines_about
from tests.harness.operator import Operator
from tests.harness.paths import REPOSITORY
from tests.support.bucket import BUCKET, BucketServer, credentials

SERVICE = REPOSITORY / ".venv" / "service" / "bin" / "python"
RECORD = "ConfigMap/notes-removal"
RECORDED = ON_S3 | {RECORD}


def storage(prefix: str = "", policy: str = "Delete", endpoint: str = "") -> dict[str, Any]:
    s3 = {"bucket": BUCKET, "credentialsSecretName": "bucket-keys"}
    s3 |= {"prefix": prefix} if prefix else {}
    s3 |= {"endpoint": endpoint} if endpoint else {}
    return {"s3": s3, "deletionPolicy": policy}


def made(space: Space, name: str = "notes", **options: str) -> None:
    space.secret("bucket-keys", **KEYS)
    space.store(name, tier="CostEffective", storage=storage(**options))
    eventually(lambda: {found.replace("notes", name) for found in RECORDED} <= space.names())
    space.settled(name)


def deleted(space: Space, name: str = "notes") -> None:
    """Delete a store; it is gone at once."""
    assert "finalizers" not in (space.get("smem", name) or {})["metadata"]
    space.kubectl("delete", "smem", name, "--timeout=10s")


def pods(space: Space) -> list[dict[str, Any]]:
    selector = "app.kubernetes.io/component=removal"
    found: list[dict[str, Any]] = json.loads(space.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
    return found


def end(space: Space, phase: str = "Succeeded") -> None:
    """Have the pod of a removal end."""
    (pod,) = eventually(lambda: pods(space), within=60)
    patch = json.dumps({"status": {"phase": phase}})
    space.kubectl("patch", "pod", pod["metadata"]["name"], "--subresource=status", "--type=merge", "-p", patch)


def reasons(space: Space) -> set[str]:
    return {event["reason"] for event in json.loads(space.kubectl("get", "events", "-o", "json"))["items"]}


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BucketServer, Path]]:
    folder = tmp_path_factory.mktemp("s3")
    server = BucketServer(folder)
    server.start()
    yield server, folder / "data" / BUCKET
    server.stop()


def carry_out(space: Space, job: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what the Job's pod runs, with what it mounts and what its variables hold."""
    pod = job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    (mounted,) = [volume["configMap"]["name"] for volume in pod["volumes"] if volume["name"] == "config"]
    for name, text in ((space.get("configmap", mounted) or {})["data"]).items():
        (folder / name).write_text(text)
    held = credentials()
    variables = {
        one["name"]: one.get("value", "").replace(mounts["config"], str(folder))
        if "value" in one
        else held[one["valueFrom"]["secretKeyRef"]["key"]]
        for one in container["env"]
    }
    paths = os.pathsep.join(str(REPOSITORY / part) for part in ("crds", "service"))
    command = [str(SERVICE), "-m", "simplemem_service", *container["args"]]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": paths, **variables}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_what_a_deleted_store_left_is_removed_by_a_job_of_restricted_pods(
    space: Space, operator: Operator, bucket: tuple[BucketServer, Path], tmp_path: Path
) -> None:
    server, data = bucket
    space.plane.kubectl("label", "namespace", space.name, "pod-security.kubernetes.io/enforce=restricted")
    for name in (f"{space.name}/notes/identity.json", f"{space.name}/notes/journal/open/1", f"{space.name}/notes-2/a"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("x")
    made(space, endpoint=server.endpoint)
    assert space.get("job", "notes-removal") is None
    deleted(space)
    (pod,) = eventually(lambda: pods(space), within=60)
    job = space.get("job", "notes-removal")
    policy, account = space.get("networkpolicy", "notes-removal"), space.get("serviceaccount", "notes-removal")
    assert job is not None
    assert policy is not None
    assert account is not None
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert "ingress" not in policy["spec"]
    assert pod["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert (job["spec"]["backoffLimit"], job["spec"]["activeDeadlineSeconds"]) == (5, 3600)

    done = carry_out(space, job, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 objects removed" in done.stdout
    assert sorted(path.name for path in (data / space.name).rglob("*") if path.is_file()) == ["a"]

    end(space)
    eventually(lambda: space.get("configmap", "notes-removal") is None, within=60)
    eventually(lambda: space.get("job", "notes-removal") is None and space.names() == set(), within=60)
    assert "DataRemoved" in reasons(space)
    lines = lines_about(space, operator)
    assert {"removal began", "removal told"} <= {line["message"] for line in lines}
    assert {line.get("store") for line in lines} == {f"{space.name}/notes"}


def test_a_store_deleted_while_no_operator_runs_is_removed_by_the_next_one(
    bare_space: Space, bare_credentials: Path, tmp_path: Path
) -> None:
    operator = Operator(bare_credentials, tmp_path)
    operator.start()
    made(bare_space)
    operator.stop()
    deleted(bare_space)
    eventually(lambda: bare_space.names() == {RECORD}, within=90)
    assert bare_space.get("job", "notes-removal") is None
    operator.start()
    eventually(lambda: bare_space.get("job", "notes-removal"), within=60)
    operator.stop()
    # Without an operator nothing holds up the namespace, either.
    bare_space.plane.kubectl("delete", "namespace", bare_space.name, "--wait=false")
    eventually(
        lambda: not bare_space.plane.kubectl("get", "namespace", bare_space.name, "--ignore-not-found"),
        within=90,
        every=1,
    )


def test_a_namespace_goes_with_its_stores_and_their_records(space: Space) -> None:
    made(space)
    space.plane.kubectl("delete", "namespace", space.name, "--wait=false")
    eventually(
        lambda: not space.plane.kubectl("get", "namespace", space.name, "--ignore-not-found"), within=90, every=1
    )


def test_a_policy_that_became_retain_keeps_the_data(space: Space) -> None:
    made(space)
    space.patch("smem", "notes", {"spec": {"storage": {"deletionPolicy": "Retain"}}})
    eventually(lambda: RECORD not in space.names())
    deleted(space)
    eventually(lambda: space.names() == set(), within=60)
    space.rest()
    assert space.get("job", "notes-removal") is None


def test_a_policy_that_changed_a_moment_before_the_end_counts(space: Space) -> None:
    made(space)
    space.patch("smem", "notes", {"spec": {"storage": {"deletionPolicy": "Retain"}}})
    deleted(space)
    eventually(lambda: space.names() == set(), within=60)
    space.rest()
    assert space.get("job", "notes-removal") is None
    assert "DataRemoved" not in reasons(space)


def test_a_policy_that_changed_while_no_operator_ran_counts_once_one_has_seen_it(
    bare_space: Space, bare_credentials: Path, tmp_path: Path
) -> None:
    operator = Operator(bare_credentials, tmp_path)
    operator.start()
    made(bare_space)
    operator.stop()
    bare_space.patch("smem", "notes", {"spec": {"storage": {"deletionPolicy": "Retain"}}})
    operator.start()
    eventually(lambda: RECORD not in bare_space.names())
    deleted(bare_space)
    eventually(lambda: bare_space.names() == set(), within=60)
    bare_space.rest()
    operator.stop()
    assert bare_space.get("job", "notes-removal") is None


def test_a_new_store_of_the_name_begins_when_the_old_ones_data_is_gone(space: Space) -> None:
    made(space)
    deleted(space)
    space.store(tier="CostEffective", storage=storage())
    eventually(lambda: space.ready().get("reason") == "RemovalUnderWay", within=60)
    assert "delete configmap notes-removal" in space.ready()["message"]
    eventually(lambda: pods(space), within=60)
    assert "Deployment/notes-ingest" not in space.names()
    end(space)
    eventually(lambda: "Deployment/notes-ingest" in space.names(), within=60)
    uid = (space.get("smem", "notes") or {})["metadata"]["uid"]
    record = space.get("configmap", "notes-removal")
    assert record is not None
    assert record["metadata"]["annotations"]["simplemem.io/store-uid"] == uid


def test_data_that_another_store_uses_stays(space: Space) -> None:
    made(space, prefix="shared")
    made(space, "other", prefix="shared", policy="Delete")
    deleted(space)
    eventually(lambda: "DataKept" in reasons(space), within=60)
    eventually(lambda: RECORD not in space.names(), within=60)
    events = space.kubectl("get", "events", "-o", "json")
    assert f"MemoryStore {space.name}/other keeps its data there, too" in events
    assert space.get("job", "notes-removal") is None


def test_a_run_that_fails_is_told_once_and_made_anew_an_hour_later(
    bare_space: Space, bare_credentials: Path, tmp_path: Path
) -> None:
    operator = Operator(bare_credentials, tmp_path)
    operator.start()
    made(bare_space)
    deleted(bare_space)
    eventually(lambda: bare_space.get("job", "notes-removal"), within=60)
    bare_space.patch("job", "notes-removal", {"spec": {"activeDeadlineSeconds": 1}})
    eventually(lambda: "RemovalFailed" in reasons(bare_space), within=60)
    bare_space.rest()
    operator.stop()

    first = (bare_space.get("job", "notes-removal") or {})["metadata"]
    removals, caches = later(bare_credentials, bare_space, timedelta(minutes=61))
    record = removals.find(bare_space.name, "notes")
    assert record is not None
    removals.advance(record)
    caches.stop()
    second = (bare_space.get("job", "notes-removal") or {})["metadata"]
    assert first["uid"] != second["uid"]
    assert (first["annotations"]["simplemem.io/attempt"], second["annotations"]["simplemem.io/attempt"]) == ("1", "2")
    assert RECORD in bare_space.names()


def later(kubeconfig: Path, space: Space, by: timedelta) -> tuple[Removals, Caches]:
    """The operator's removals at another time."""
    cluster = cluster_of(kubeconfig)
    caches = Caches(cluster, [space.name], watch_seconds=60, heartbeat=Heartbeat())
    caches.start(lambda *_: None)
    caches.wait(30)
    images = Images("example.com/service:1")
    return Removals(cluster, caches, Claims(cluster), images, lambda: datetime.now(UTC) + by), caches

"""What goes wrong round the operator, what it does then, and what a user reads of it."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.conftest import Rig, Space, eventually
from tests.cluster.test_children import KEYS, ON_A_VOLUME, S3
from tests.harness.fault_proxy import Fault, FaultProxy, Request
from tests.harness.operator import ACCOUNT, Operator

AWAY_SECONDS = 60
"""How long the API server is away, in seconds."""


def started(rig: Rig) -> Rig:
    rig.operator.start()
    rig.space.store(tier="Minimal")
    eventually(lambda: rig.space.names() == ON_A_VOLUME)
    rig.space.settled()
    return rig


def described(space: Space, name: str = "notes") -> str:
    """What kubectl describe prints, without its line breaks."""
    return " ".join(space.kubectl("describe", "smem", name).split())


def has_top_k(space: Space, wanted: int) -> bool:
    found = space.get("configmap", "notes-config")
    return found is not None and json.loads(found["data"]["store.json"])["retrieval"]["topK"] == wanted


def restored(space: Space) -> bool:
    return space.names() == ON_A_VOLUME


@contextmanager
def role_without(space: Space, resource: str, verbs: set[str]) -> Iterator[None]:
    """Take verbs on a resource from the operator's role."""
    before = json.loads(space.plane.kubectl("get", "clusterrole", ACCOUNT, "-o", "json"))["rules"]
    after: list[dict[str, Any]] = []
    for rule in before:
        if resource not in rule["resources"]:
            after.append(rule)
            continue
        after.append({**rule, "resources": [found for found in rule["resources"] if found != resource]})
        after.append({**rule, "resources": [resource], "verbs": [verb for verb in rule["verbs"] if verb not in verbs]})
    after = [rule for rule in after if rule["resources"]]
    space.plane.kubectl("patch", "clusterrole", ACCOUNT, "--type=merge", "-p", json.dumps({"rules": after}))
    try:
        yield
    finally:
        space.plane.kubectl("patch", "clusterrole", ACCOUNT, "--type=merge", "-p", json.dumps({"rules": before}))


def test_watches_cut_without_a_word_are_replaced(rig: Rig) -> None:
    space = started(rig).space
    time.sleep(1)
    rig.proxy.cut_watches()
    space.kubectl("delete", "service", "notes")
    space.patch("smem", "notes", {"spec": {"retrieval": {"topK": 21}}})
    eventually(lambda: restored(space))
    # A watch lives 4 s here and may be silent for 10 s more; 60 s and 10 s by default.
    # MemoryStores come by a watch of their own.
    eventually(lambda: has_top_k(space, 21))
    errors = rig.operator.metrics("simplemem_operator_watch_errors_total")
    assert errors['simplemem_operator_watch_errors_total{error="ApiUnavailableError",kind="Service"}'] >= 1
    assert rig.operator.healthz()[0] == 200


def test_an_edit_just_before_the_operator_writes_the_status_is_not_lost(rig: Rig) -> None:
    space, is_edited = started(rig).space, threading.Event()

    def edit(request: Request) -> None:
        if request.is_write and request.path.split("?")[0].endswith("memorystores/notes/status"):
            rig.proxy.flowing.clear()
            space.patch("smem", "notes", {"spec": {"retrieval": {"topK": 23}}})
            rig.proxy.before = lambda _: None
            is_edited.set()

    # Until nothing of the children wakes the store any more.
    time.sleep(3)
    rig.proxy.before = edit
    # What holds anyway: a new generation, of which the status alone tells.
    space.patch("smem", "notes", {"spec": {"storage": {"deletionPolicy": "Retain"}}})
    assert is_edited.wait(40)
    # Time for the answer to that write to be known before the event of the edit.
    time.sleep(2)
    rig.proxy.flowing.set()
    # The store is not Ready, so it would be looked at again after 60 s; a Ready one after ten minutes.
    eventually(lambda: has_top_k(space, 23))


def test_an_api_server_that_is_away_for_a_minute_is_waited_for(patient_rig: Rig) -> None:
    space = started(patient_rig).space
    patient_rig.proxy.cut_watches()
    patient_rig.proxy.answer = lambda _: Fault(503)
    deadline = time.monotonic() + AWAY_SECONDS
    space.kubectl("delete", "service", "notes")
    while time.monotonic() < deadline:
        assert patient_rig.operator.healthz()[0] == 200
        time.sleep(1)
    patient_rig.proxy.answer = lambda _: None
    # By now the watches that were cut have ended by their own time-out, a minute after they began.
    eventually(lambda: restored(space), within=90)


def test_an_error_of_the_api_server_is_read_in_its_words(rig: Rig) -> None:
    space = started(rig).space
    rig.proxy.answer = lambda request: Fault(500) if request.is_write and "/services" in request.path else None
    space.kubectl("delete", "service", "notes")

    def is_told() -> bool:
        text = described(space)
        return "ApiError" in text and "injected by the test" in text

    eventually(is_told)
    assert rig.operator.healthz()[0] == 200
    rig.proxy.answer = lambda _: None
    eventually(lambda: restored(space) and space.ready()["reason"] == "VolumePending", within=60)
    assert "injected by the test" not in space.ready()["message"]


def test_a_storm_of_errors_passes(rig: Rig) -> None:
    space = started(rig).space
    dice = itertools.cycle([429, 500, 0, 503, 409, 0, 500, 429])

    def answer(request: Request) -> Fault | None:
        status = next(dice)
        if status == 409 and not request.is_write:
            return Fault(500)
        return Fault(status, {"Retry-After": "1"} if status == 429 else {}) if status else None

    rig.proxy.answer = answer
    space.store("late", tier="Minimal")
    space.kubectl("delete", "service", "notes")
    for _ in range(12):
        assert rig.operator.healthz()[0] == 200
        time.sleep(1)
    rig.proxy.answer = lambda _: None
    wanted = ON_A_VOLUME | {name.replace("notes", "late") for name in ON_A_VOLUME}
    eventually(lambda: space.names() == wanted, within=45)
    space.settled("late")
    eventually(lambda: space.ready("late").get("reason") == "VolumePending")
    assert rig.operator.process.is_running


def test_edits_made_during_a_pass_are_not_lost(rig: Rig) -> None:
    """The pass stands at a write while the spec is edited three times."""
    barrier, reached = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        if request.is_write and "/services/notes" in request.path:
            reached.set()
            barrier.wait(40)

    rig.operator.start()
    rig.proxy.before = hold
    rig.space.store(tier="Minimal")
    assert reached.wait(40)
    for number in (11, 12, 13):
        rig.space.patch("smem", "notes", {"spec": {"retrieval": {"topK": number}}})
    barrier.set()
    eventually(lambda: restored(rig.space))
    assert rig.space.settled()["status"]["observedGeneration"] == 4
    found = rig.space.get("configmap", "notes-config")
    assert found is not None
    assert json.loads(found["data"]["store.json"])["retrieval"]["topK"] == 13


def test_a_quota_is_told_in_its_own_words_and_holds_back_no_other_child(rig: Rig) -> None:
    rig.operator.start()
    rig.space.kubectl("create", "quota", "tiny", "--hard=count/services=0")
    eventually(lambda: (rig.space.get("quota", "tiny") or {}).get("status", {}).get("hard"))
    rig.space.store(tier="Minimal")
    eventually(lambda: rig.space.ready().get("reason") == "Refused")
    assert "exceeded quota: tiny" in described(rig.space)
    assert rig.space.names() == ON_A_VOLUME - {"Service/notes", "Deployment/notes-retrieval"}
    rig.space.kubectl("delete", "quota", "tiny")
    eventually(lambda: restored(rig.space), within=45)


def test_pods_that_a_quota_refuses_are_told(rig: Rig) -> None:
    rig.operator.start()
    rig.space.kubectl("create", "quota", "no-pods", "--hard=pods=0")
    eventually(lambda: (rig.space.get("quota", "no-pods") or {}).get("status", {}).get("hard"))
    rig.space.store(tier="Minimal")
    eventually(lambda: "exceeded quota: no-pods" in rig.space.condition("RetrievalReady").get("message", ""))
    assert rig.space.condition("RetrievalReady")["reason"] == "PodsFailing"
    assert "exceeded quota: no-pods" in described(rig.space)


def test_a_claim_that_stays_pending_is_told(rig: Rig) -> None:
    started(rig)
    words = "claim 'notes-data' is Pending; is there a StorageClass that serves it?"
    eventually(lambda: rig.space.ready().get("reason") == "VolumePending")
    assert words in described(rig.space)


def test_a_volume_that_is_being_made_is_no_warning(rig: Rig) -> None:
    slow = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "slow"}}
    rig.space.plane.kubectl("apply", "-f", "-", stdin=json.dumps({**slow, "provisioner": "example.com/slow"}))
    rig.operator.start()
    rig.space.store(tier="Minimal", storage={"pvc": {"size": "10Gi", "storageClassName": "slow"}})
    eventually(lambda: rig.space.ready().get("reason") == "Reconciling")
    assert "claim 'notes-data' is not bound yet" in described(rig.space)
    assert [event["reason"] for event in rig.space.events()] == []


def test_a_right_to_write_that_is_missing_is_named(rig: Rig) -> None:
    with role_without(rig.space, "services", {"create", "patch"}):
        rig.operator.start()
        rig.space.store(tier="Minimal")
        eventually(lambda: rig.space.ready().get("reason") == "Forbidden")
        assert 'cannot patch resource "services" in API group ""' in described(rig.space)
        assert "ConfigMap/notes-config" in rig.space.names()
    eventually(lambda: restored(rig.space), within=45)


def test_a_right_to_read_that_is_missing_is_named(rig: Rig) -> None:
    with role_without(rig.space, "configmaps", {"list", "watch"}):
        rig.operator.start()
        rig.space.store(tier="Minimal")
        eventually(lambda: rig.space.ready().get("reason") == "Forbidden")
        assert 'cannot list resource "configmaps" in API group ""' in described(rig.space)
        assert rig.space.names() == set()
    eventually(lambda: restored(rig.space), within=45)


def test_a_right_to_delete_that_is_missing_is_named(rig: Rig) -> None:
    rig.operator.start()
    rig.space.store(tier="Hybrid", storage={"pvc": {"size": "10Gi"}})
    eventually(lambda: "StatefulSet/notes-embedding" in rig.space.names())
    with role_without(rig.space, "statefulsets", {"delete"}):
        rig.space.patch("smem", "notes", {"spec": {"embedding": {"device": "CPU", "gpu": None}}})
        eventually(lambda: rig.space.ready().get("reason") == "Forbidden")
        assert 'cannot delete resource "statefulsets" in API group "apps"' in described(rig.space)
        assert "StatefulSet/notes-embedding" in rig.space.names()
    eventually(lambda: not {"StatefulSet/notes-embedding", "Service/notes-embedding"} & rig.space.names(), within=45)


def test_a_right_that_is_taken_away_later_is_named(rig: Rig) -> None:
    started(rig)
    with role_without(rig.space, "networkpolicies", {"list", "watch"}):
        eventually(lambda: rig.operator.metrics('simplemem_operator_watch_errors_total{error="Forb'))
        rig.space.patch("smem", "notes", {"spec": {"retrieval": {"topK": 31}}})
        eventually(lambda: rig.space.ready().get("reason") == "Forbidden")
        assert 'cannot watch resource "networkpolicies"' in rig.space.ready()["message"]
    eventually(lambda: rig.space.ready().get("reason") == "VolumePending", within=60)


def test_an_object_that_took_a_childs_name_while_nobody_looked_is_left_alone(rig: Rig) -> None:
    started(rig)
    rig.operator.stop()
    rig.space.kubectl("delete", "configmap", "notes-config")
    rig.space.kubectl("create", "configmap", "notes-config", "--from-literal=mine=1")
    rig.operator.start()
    eventually(lambda: rig.space.ready().get("reason") == "ForeignObject")
    assert "ConfigMap/notes-config belongs to somebody else and is left alone" in described(rig.space)
    assert (rig.space.get("configmap", "notes-config") or {})["data"] == {"mine": "1"}


def test_a_child_of_another_store_of_that_name_is_left_to_the_garbage_collector(rig: Rig) -> None:
    """A store deleted and made anew at once: the old one's children go, the new one's come."""
    started(rig)
    before = (rig.space.get("smem", "notes") or {})["metadata"]["uid"]
    rig.space.kubectl("delete", "smem", "notes", "--timeout=10s")
    rig.space.store(tier="Minimal")

    def owners() -> set[str]:
        found = [rig.space.get(kind, name) for kind, name in (("service", "notes"), ("configmap", "notes-config"))]
        return {owner["uid"] for item in found if item for owner in item["metadata"]["ownerReferences"]}

    after = (rig.space.get("smem", "notes") or {})["metadata"]["uid"]
    assert after != before
    eventually(lambda: owners() == {after} and restored(rig.space), within=45)
    eventually(lambda: rig.space.ready().get("reason") == "VolumePending", within=45)


def test_a_store_that_vanished_unseen_gets_no_children(rig: Rig) -> None:
    """Its deletion is lost with the watches; what the garbage collector takes away is not made again."""
    started(rig)
    rig.proxy.cut_watches()
    rig.space.kubectl("delete", "smem", "notes", "--timeout=10s")
    # A garbage collector that has just begun takes 40 s to learn of the new kind.
    eventually(lambda: rig.space.names() == {"PersistentVolumeClaim/notes-data"}, within=90)
    written = rig.space.writes()
    known = "simplemem_operator_stores"
    eventually(lambda: rig.operator.metrics(known)[known] == 0, within=60)
    time.sleep(18)
    assert rig.space.names() == {"PersistentVolumeClaim/notes-data"}
    # That a status has no store any more is a way to learn of it.
    assert [line for line in rig.space.writes()[len(written) :] if not line.endswith(" status 404")] == []


def test_a_server_that_refuses_every_watch_is_not_hammered(
    bare_space: Space, bare_credentials: Path, tmp_path: Path
) -> None:
    asked = itertools.count()
    with FaultProxy(bare_space.plane) as proxy:
        kubeconfig = proxy.kubeconfig(bare_credentials, tmp_path / "proxied.kubeconfig")
        operator = Operator(kubeconfig, tmp_path, flags=["--namespace", bare_space.name, "--watch-seconds", "2"])
        operator.start()

        def answer(request: Request) -> Fault | None:
            if not request.is_watch or "memorystores" in request.path:
                return None
            next(asked)
            return Fault(410)

        proxy.answer = answer
        time.sleep(10)
        operator.process.kill()
    assert next(asked) < 200


def refused(space: Space) -> list[str]:
    return [line for line in space.writes() if line.endswith(" 403")]


def test_a_namespace_that_ends_is_left_alone(rig: Rig) -> None:
    space = started(rig).space
    space.secret("bucket-keys", **KEYS)
    space.store("gone", tier="CostEffective", storage=S3 | {"deletionPolicy": "Delete"})
    eventually(lambda: space.get("configmap", "gone-removal") and space.get("deployment", "gone-ingest"))
    space.settled("gone")
    # Without its controllers nothing goes by itself: the namespace ends for as long as the test likes.
    with space.plane.paused("kube-controller-manager"):
        space.plane.kubectl("delete", "namespace", space.name, "--wait=false")
        space.kubectl("delete", "smem", "gone", "--timeout=10s")
        space.kubectl("delete", "deployment,replicaset,pod", "--all")
        # An event may be refused before, where a status was on its way; its store is tried again once it is deleted.
        eventually(lambda: len([line for line in refused(space) if "events" not in line]) == 2, within=60)
        tried = refused(space)
        assert len(tried) == len(set(tried)) <= 3, tried
        for kind in ("service", "serviceaccount", "networkpolicy"):
            space.kubectl("delete", kind, "--all")
            time.sleep(2)
        assert refused(space) == tried
    text = rig.operator.process.log.read_text()
    lines = [line for line in text.splitlines() if "because it is being terminated" in line]
    assert ["namespace ends" in line for line in lines] == [True] * len(tried), lines
    assert "ended unexpectedly" not in text
    eventually(
        lambda: not space.plane.kubectl("get", "namespace", space.name, "--ignore-not-found"), within=90, every=1
    )
    stores = "simplemem_operator_stores"
    eventually(lambda: rig.operator.metrics(stores)[stores] == 0)

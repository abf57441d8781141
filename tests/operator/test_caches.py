"""What is known of the cluster: never older than what was seen, small, without a Secret's value, and found again."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from simplemem_operator.cluster import Page
from simplemem_operator.errors import ApiUnavailableError, ForbiddenError, GoneError, NotFoundError, OperatorError
from simplemem_operator.heartbeat import Heartbeat
from simplemem_operator.informer import Informer
from simplemem_operator.kinds import KINDS, PODS, SECRETS, Kind
from simplemem_operator.labels import INSTANCE_LABEL
from simplemem_operator.object_cache import LAST_GONE, Key, ObjectCache
from simplemem_operator.prune import owns_replicas, prune

SERVICE = KINDS["Service"]
MONITOR = KINDS["ServiceMonitor"]


def thing(name: str, version: int, store: str = "notes", **body: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "team-a", "resourceVersion": str(version), "labels": {INSTANCE_LABEL: store}}
    return {"metadata": metadata, **body}


def test_what_is_older_never_replaces_what_is_newer() -> None:
    cache = ObjectCache(SERVICE)
    assert cache.put(thing("a", 9, spec={"x": 1})) == ("team-a", "notes")
    assert cache.put(thing("a", 8, spec={"x": 0})) is None
    assert cache.put(thing("a", 9, spec={"x": 0})) is None
    assert cache.drop(thing("a", 8)) is None
    found = cache.get("team-a", "a")
    assert found is not None
    assert (found["spec"], found["metadata"]["resourceVersion"]) == ({"x": 1}, "9")
    assert cache.put(thing("a", 100, spec={"x": 2})) == ("team-a", "notes")
    assert cache.drop(thing("a", 101)) == ("team-a", "notes")
    assert cache.get("team-a", "a") is None
    assert cache.of_store("team-a", "notes") == []


def test_a_new_version_that_says_the_same_is_no_news() -> None:
    cache = ObjectCache(SERVICE)
    cache.put(thing("a", 1, spec={"x": 1}))
    later = thing("a", 2, spec={"x": 1})
    later["metadata"]["managedFields"] = [{"manager": "kubelet"}]
    assert cache.put(later) is None
    assert cache.version("team-a", "a") == 2


def test_the_answer_to_a_write_brings_no_object_back_that_was_deleted_after_it() -> None:
    cache = ObjectCache(SERVICE)
    assert cache.drop(thing("a", 51)) is None
    assert cache.put(thing("a", 50)) is None
    assert cache.get("team-a", "a") is None
    assert cache.put(thing("a", 52)) == ("team-a", "notes")
    for number in range(LAST_GONE + 5):
        cache.drop(thing(f"b{number}", 60))
    assert cache.put(thing("a", 53, spec={})) == ("team-a", "notes")


def test_what_is_read_is_a_copy() -> None:
    cache = ObjectCache(SERVICE)
    cache.put(thing("a", 1, spec={"x": 1}))
    (found,) = cache.of_store("team-a", "notes")
    found["spec"]["x"] = 2
    assert cache.of_store("team-a", "notes")[0]["spec"] == {"x": 1}


def test_a_list_takes_away_what_it_does_not_show_and_nothing_newer() -> None:
    cache = ObjectCache(SERVICE)
    cache.put(thing("old", 1))
    cache.put(thing("kept", 2))
    cache.put(thing("written since", 20))
    assert cache.drop_missing(None, [("team-a", "kept")], 10) == [("team-a", "notes")]
    assert [found["metadata"]["name"] for found in cache.of_store("team-a", "notes")] == ["kept", "written since"]
    assert cache.drop_missing("team-b", [], 100) == []


def test_an_object_that_changes_its_store_is_known_under_the_new_one_only() -> None:
    cache = ObjectCache(SERVICE)
    cache.put(thing("a", 1, "one"))
    cache.put(thing("a", 2, "two"))
    assert cache.of_store("team-a", "one") == []
    assert len(cache.of_store("team-a", "two")) == 1


def test_of_a_secret_nothing_is_kept_but_its_name_and_version() -> None:
    secret = thing("keys", 5, data={"password": "aHVudGVyMg=="})
    secret["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}
    kept = prune(SECRETS, secret)
    assert kept["metadata"] == {"name": "keys", "namespace": "team-a"}
    assert set(kept) == {"apiVersion", "kind", "metadata"}
    cache = ObjectCache(SECRETS)
    cache.put(secret)
    # Whatever changed in it, it may be what pods read.
    assert cache.put(thing("keys", 6)) is not None


def test_of_a_pod_only_what_passes_read_is_kept() -> None:
    spec = {"nodeName": "n", "containers": [{"name": "c", "env": [{"name": "BIG", "value": "x" * 1000}]}]}
    pod = thing("p", 1, spec=spec, status={"podIP": "192.0.2.1", "qosClass": "Burstable"})
    kept = prune(PODS, pod)
    assert kept["spec"] == {"nodeName": "n", "containers": [{"name": "c", "resources": {}}]}
    assert kept["status"] == {"podIP": "192.0.2.1"}


def test_whether_we_own_the_number_of_pods_is_all_that_is_kept_of_managed_fields() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:replicas": {}, "f:template": {}}}
    deployment = thing("d", 1)
    deployment["metadata"]["managedFields"] = [
        {"manager": "simplemem-operator", "operation": "Apply", "fieldsV1": fields},
        {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:status": {}}},
    ]
    kept = prune(KINDS["Deployment"], deployment)["metadata"]["managedFields"]
    assert owns_replicas(kept)
    assert "f:template" not in json.dumps(kept)
    deployment["metadata"]["managedFields"][0]["operation"] = "Update"
    assert "managedFields" not in prune(KINDS["Deployment"], deployment)["metadata"]


class Script:
    """A cluster that plays what the test says: pages and errors for lists, events and errors for watches."""

    def __init__(self) -> None:
        self.lists: list[Page | OperatorError] = []
        self.events: queue.Queue[tuple[str, dict[str, Any]] | OperatorError | None] = queue.Queue()
        self.listed: list[str] = []
        self.watched: list[str] = []
        self.on_list: Callable[[], None] = lambda: None

    def list_page(self, kind: Kind, namespace: str | None, selector: str, token: str) -> Page:
        del kind, namespace, selector
        self.listed.append(token)
        self.on_list()
        step = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(step, OperatorError):
            raise step
        return step

    def watch(
        self, kind: Kind, namespace: str | None, selector: str, version: str, seconds: int
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        del kind, namespace, selector, seconds
        self.watched.append(version)
        while (step := self.events.get()) is not None:
            if isinstance(step, OperatorError):
                raise step
            yield step


class Watched:
    """An informer on a script, what it knows and what it told."""

    def __init__(self, kind: Kind = SERVICE) -> None:
        self.script, self.cache, self.told = Script(), ObjectCache(kind), list[Key]()
        self.informer = Informer(
            self.script,  # type: ignore[arg-type]
            self.cache,
            (kind, None, ""),
            1,
            Heartbeat(),
            lambda _kind, owner, _name: self.told.append(owner),
        )

    def names(self) -> list[str]:
        return [found["metadata"]["name"] for found in self.cache.of_store("team-a", "notes")]


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.informer.stop()
    made.script.events.put(None)


def until(check: Any, within: float = 5) -> None:
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_of_a_list_is_told_before_all_of_it_is_known(watched: Watched) -> None:
    """A pass that is woken early would find its children missing, and say so."""
    known: list[bool] = []
    watched.informer._listener = lambda *_: known.append(watched.informer.synced.is_set())
    watched.script.lists = [Page([thing("a", 1)], "7", "next"), Page([thing("b", 2)], "7", "")]
    watched.informer.start()
    until(lambda: len(known) == 2)
    assert known == [True, True]


def test_what_a_list_showed_before_it_failed_is_told_all_the_same(watched: Watched) -> None:
    """The next list finds it known already and does not tell it again."""
    watched.script.lists = [
        Page([thing("a", 1)], "7", "next"),
        ApiUnavailableError("away"),
        Page([thing("a", 1), thing("b", 2)], "7", ""),
    ]
    watched.informer.start()
    until(watched.informer.synced.is_set)
    until(lambda: len(watched.told) == 2)
    assert watched.names() == ["a", "b"]


def test_pages_are_put_together_and_the_watch_goes_on_from_there(watched: Watched) -> None:
    watched.script.lists = [Page([thing("a", 1)], "7", "next"), Page([thing("b", 2)], "7", "")]
    watched.informer.start()
    until(watched.informer.synced.is_set)
    assert watched.names() == ["a", "b"]
    assert watched.script.listed == ["", "next"]
    watched.script.events.put(("ADDED", thing("c", 8)))
    watched.script.events.put(("DELETED", thing("a", 9)))
    until(lambda: watched.names() == ["b", "c"])
    watched.script.events.put(("BOOKMARK", {"metadata": {"resourceVersion": "50"}}))
    watched.script.events.put(None)
    until(lambda: watched.script.watched == ["7", "50"])
    assert watched.script.listed == ["", "next"]


def test_a_version_that_is_too_old_leads_to_a_new_list(watched: Watched) -> None:
    watched.script.lists = [Page([thing("a", 1), thing("b", 1)], "7", ""), Page([thing("b", 1)], "90", "")]
    watched.informer.start()
    until(watched.informer.synced.is_set)
    told: list[OperatorError | None] = []
    watched.script.on_list = lambda: told.append(watched.informer.error)
    # Neither the failures before it nor the error itself keep the list waiting, or fail a pass.
    for _ in range(3):
        watched.script.events.put(ApiUnavailableError("restarting"))
    watched.script.events.put(GoneError("too old"))
    until(lambda: watched.names() == ["b"])
    until(lambda: watched.script.watched == ["7", "7", "7", "7", "90"])
    assert told == [None]


def test_a_watch_that_breaks_off_goes_on_where_it_was(watched: Watched) -> None:
    watched.script.lists = [Page([], "7", "")]
    watched.informer.start()
    watched.script.events.put(("ADDED", thing("a", 12)))
    watched.script.events.put(ApiUnavailableError("silent"))
    until(lambda: watched.script.watched == ["7", "12"])
    assert watched.informer.error is None


def test_a_right_that_is_missing_is_told_until_it_is_there(watched: Watched) -> None:
    watched.script.lists = [
        ForbiddenError("cannot list"),
        ForbiddenError("cannot list"),
        Page([thing("a", 1)], "7", ""),
    ]
    watched.informer.start()
    until(lambda: watched.informer.error is not None)
    assert not watched.informer.synced.is_set()
    until(watched.informer.synced.is_set)
    assert watched.informer.error is None


def test_an_api_that_the_cluster_lacks_is_no_error_and_is_found_when_it_comes() -> None:
    watched = Watched(MONITOR)
    watched.script.lists = [NotFoundError("no such API"), Page([thing("a", 1)], "7", "")]
    watched.informer.start()
    until(watched.informer.synced.is_set)
    assert (watched.informer.is_served, watched.informer.error) == (False, None)
    until(lambda: watched.informer.is_served)
    assert watched.names() == ["a"]
    watched.informer.stop()
    watched.script.events.put(None)


def test_an_unexpected_error_does_not_end_the_thread(watched: Watched) -> None:
    watched.script.lists = [Page([{"metadata": {}}], "7", ""), Page([thing("a", 1)], "8", "")]
    watched.informer.start()
    until(watched.informer.synced.is_set)
    assert watched.names() == ["a"]
    assert any(thread.name == "watch services" for thread in threading.enumerate())

"""What the cluster's monitoring and its own roles know of stores: monitors, who may scrape, and who may edit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import NUMBERS, Space, eventually
from tests.cluster.test_children import ON_A_VOLUME
from tests.harness.control_plane import ControlPlane
from tests.harness.foreign_crds import PROMETHEUS_OPERATOR
from tests.harness.operator import Operator, install_access

LABELS = {"release": "prometheus"}
SCRAPER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
QUICK = ["--watch-seconds", "2", "--resync-seconds", "4"]
MONITORED = [*QUICK, "--monitors", "--monitor-interval", "15s", "--monitor-label", "release=prometheus"]


@pytest.fixture(scope="module")
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane without the kinds of monitoring, until a test brings them."""
    with ControlPlane(tmp_path_factory.mktemp("monitoring")) as plane:
        yield plane


@pytest.fixture(scope="module")
def credentials(own_plane: ControlPlane) -> Path:
    return install_access(own_plane)


@pytest.fixture
def place(own_plane: ControlPlane) -> Space:
    return Space(own_plane, f"monitored-{next(NUMBERS)}")


def monitor(space: Space) -> dict[str, Any] | None:
    text = space.kubectl("get", "servicemonitor", "notes", "-o", "json", "--ignore-not-found")
    found: dict[str, Any] | None = json.loads(text) if text.strip() else None
    return found


def test_a_monitor_comes_with_its_kind_is_kept_and_goes_with_the_value(
    place: Space, credentials: Path, tmp_path: Path
) -> None:
    operator = Operator(credentials, tmp_path, flags=MONITORED)
    operator.start()
    place.store(tier="Minimal")
    eventually(lambda: place.names() == ON_A_VOLUME)
    place.settled()
    eventually(lambda: place.ready().get("reason") == "VolumePending")

    PROMETHEUS_OPERATOR.install(place.plane)
    found = eventually(lambda: monitor(place))
    assert LABELS.items() <= found["metadata"]["labels"].items()
    assert found["spec"]["selector"]["matchLabels"].items() <= place_labels(place).items()
    (endpoint,) = found["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["interval"]) == ("http", "15s")
    place.rest(6)

    place.patch("servicemonitor", "notes", {"spec": {"endpoints": [{**endpoint, "interval": "1s"}]}})
    eventually(lambda: (monitor(place) or {})["spec"]["endpoints"] == [endpoint])
    place.kubectl("delete", "servicemonitor", "notes")
    eventually(lambda: monitor(place))
    operator.stop()

    without = Operator(credentials, tmp_path, name="without", flags=QUICK)
    without.start()
    eventually(lambda: monitor(place) is None)
    without.stop()


def place_labels(space: Space) -> dict[str, str]:
    """Labels of the Service that the monitor must select."""
    found = space.get("service", "notes")
    assert found is not None
    labels: dict[str, str] = found["metadata"]["labels"]
    return labels


def test_who_scrapes_is_admitted_and_no_pod_is_replaced_for_it(place: Space, credentials: Path, tmp_path: Path) -> None:
    def peers() -> list[Any]:
        found = place.get("networkpolicy", "notes")
        return [peer for rule in (found or {"spec": {"ingress": []}})["spec"]["ingress"] for peer in rule["from"]]

    before = Operator(credentials, tmp_path, flags=QUICK)
    before.start()
    place.store(tier="Minimal", access={"allowedNamespaces": ["team-a"]})
    eventually(lambda: place.names() == ON_A_VOLUME)
    place.rest()
    assert SCRAPER not in peers()
    before.stop()
    deployment = place.get("deployment", "notes-retrieval")
    after = Operator(credentials, tmp_path, name="after", flags=[*QUICK, "--scrapers", json.dumps([SCRAPER])])
    after.start()
    eventually(lambda: SCRAPER in peers())
    place.rest()
    assert len(peers()) == 2
    assert (place.get("deployment", "notes-retrieval") or {})["metadata"]["generation"] == (deployment or {})[
        "metadata"
    ]["generation"]
    after.stop()


@pytest.mark.parametrize(
    ("role", "verb", "is_allowed"),
    [("view", "get", True), ("view", "create", False), ("edit", "create", True), ("admin", "delete", True)],
)
@pytest.mark.usefixtures("credentials")
def test_the_clusters_own_roles_hold_stores(place: Space, role: str, verb: str, is_allowed: bool) -> None:
    place.kubectl("create", "rolebinding", "jane", f"--clusterrole={role}", "--user=jane")

    def may() -> bool:
        asked = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": "jane",
                "resourceAttributes": {
                    "namespace": place.name, "group": "simplemem.io", "resource": "memorystores", "verb": verb,
                },
            },
        }  # fmt: skip
        text = place.plane.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(asked))
        return bool(json.loads(text)["status"]["allowed"])

    eventually(lambda: may() == is_allowed)
    assert may() == is_allowed

"""Several operators share the stores by label or by namespace, and a tenant's operator has the rights of its tenant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.conftest import NUMBERS, Space, eventually
from tests.cluster.test_children import KEYS, ON_A_VOLUME, S3
from tests.harness.control_plane import ControlPlane
from tests.harness.errors import HarnessError
from tests.harness.operator import SYSTEM, Operator, install_access


@contextmanager
def running(
    plane: ControlPlane, account: str, folder: Path, *flags: str, sets: tuple[str, ...] = ()
) -> Iterator[Operator]:
    """An operator with an account of its own, so that the audit log tells what is whose."""
    operator = Operator(install_access(plane, *sets, account=account), folder, account, flags)
    operator.start()
    try:
        yield operator
    finally:
        operator.stop()


def written(space: Space, account: str) -> set[tuple[str, str]]:
    """Namespaces and names of the stores that an account wrote anything for."""
    events = space.plane.writes(f"system:serviceaccount:{SYSTEM}:{account}")
    found = [event["objectRef"] for event in events if event["objectRef"]["resource"] != "events"]
    return {(reference["namespace"], reference["name"].partition("-")[0]) for reference in found}


def children(store: str) -> set[str]:
    return {found.replace("notes", store) for found in ON_A_VOLUME}


def may(plane: ControlPlane, account: str, *words: str) -> bool:
    try:
        return "yes" in plane.kubectl("auth", "can-i", *words, f"--as=system:serviceaccount:{SYSTEM}:{account}")
    except HarnessError:
        return False


def test_two_operators_share_the_stores_by_label(bare_space: Space, tmp_path: Path) -> None:
    plane, scope = bare_space.plane, ("--namespace", bare_space.name, "--watch-seconds", "10")
    with (
        running(plane, "east", tmp_path, *scope, "--selector", "region=east") as east,
        running(plane, "west", tmp_path, *scope, "--selector", "region in (west, north)") as west,
    ):
        bare_space.store("sun", labels={"region": "east"}, tier="Minimal")
        bare_space.store("rain", labels={"region": "north"}, tier="Minimal")
        bare_space.store("nobody", tier="Minimal")
        eventually(lambda: bare_space.names() == children("sun") | children("rain"))
        bare_space.settled("sun")
        bare_space.settled("rain")
        assert written(bare_space, "east") == {(bare_space.name, "sun")}
        assert written(bare_space, "west") == {(bare_space.name, "rain")}
        assert "status" not in (bare_space.get("smem", "nobody") or {})

        bare_space.kubectl("label", "smem", "sun", "--overwrite", "region=west")
        stores = "simplemem_operator_stores"
        eventually(lambda: (east.metrics(stores)[stores], west.metrics(stores)[stores]) == (0, 2))
        done = len(plane.writes(f"system:serviceaccount:{SYSTEM}:east"))
        bare_space.kubectl("delete", "service", "sun")
        bare_space.patch("smem", "sun", {"spec": {"suspend": True}})
        eventually(lambda: bare_space.ready("sun").get("reason") == "Suspended")
        eventually(lambda: children("sun") <= bare_space.names())
        assert len(plane.writes(f"system:serviceaccount:{SYSTEM}:east")) == done


def test_an_operator_of_one_namespace_needs_and_has_no_right_elsewhere(
    bare_plane: ControlPlane, bare_space: Space, tmp_path: Path
) -> None:
    other = Space(bare_plane, f"other-{next(NUMBERS)}")
    sets = (f"watchNamespaces={{{bare_space.name}}}",)
    with running(bare_plane, "tenant", tmp_path, "--namespace", bare_space.name, sets=sets) as operator:
        bare_space.store(tier="Minimal")
        other.store(tier="Minimal")
        eventually(lambda: bare_space.names() == ON_A_VOLUME)
        bare_space.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
        bare_space.store("second", storage=S3 | {"deletionPolicy": "Delete"})
        eventually(lambda: "Deployment/second-ingest" in bare_space.names())
        # All that an operator does, to the end of a store's data.
        bare_space.patch("smem", "second", {"spec": {"autoscaling": {"minReplicas": 2, "maxReplicas": 3}}})
        eventually(lambda: "HorizontalPodAutoscaler/second-retrieval" in bare_space.names())
        bare_space.kubectl("delete", "smem", "second", "--timeout=10s")
        eventually(lambda: bare_space.get("job", "second-removal"), within=90)
        assert other.names() == set()
        assert "status" not in (other.get("smem", "notes") or {})
        assert written(bare_space, "tenant") == {(bare_space.name, "notes"), (bare_space.name, "second")}
        assert "Forbidden" not in operator.process.log.read_text()
        events = bare_plane.writes(f"system:serviceaccount:{SYSTEM}:tenant")
        assert {event["objectRef"].get("namespace") for event in events} == {bare_space.name}
        assert 403 not in {event["responseStatus"]["code"] for event in events}
        assert not operator.metrics('simplemem_operator_watch_errors_total{error="Forbidden')
    assert not bare_plane.kubectl("get", "clusterrole", "tenant", "--ignore-not-found")
    assert may(bare_plane, "tenant", "list", "secrets", "-n", bare_space.name)
    assert not may(bare_plane, "tenant", "list", "secrets", "-n", other.name)
    assert not may(bare_plane, "tenant", "list", "memorystores", "--all-namespaces")
    bare_plane.kubectl("delete", "namespace", other.name, "--wait=false")


def test_a_namespace_that_goes_with_its_role_holds_up_no_other(
    bare_plane: ControlPlane, bare_space: Space, tmp_path: Path
) -> None:
    other = Space(bare_plane, f"other-{next(NUMBERS)}")
    flags = ("--namespace", bare_space.name, "--namespace", other.name, "--watch-seconds", "2")
    sets = (f"watchNamespaces={{{bare_space.name},{other.name}}}",)
    with running(bare_plane, "pair", tmp_path, *flags, sets=sets) as operator:
        bare_space.store(tier="Minimal")
        eventually(lambda: bare_space.names() == ON_A_VOLUME)
        bare_plane.kubectl("delete", "namespace", other.name, "--timeout=40s")
        eventually(lambda: operator.metrics('simplemem_operator_watch_errors_total{error="Forbidden'))
        bare_space.kubectl("delete", "service", "notes")
        bare_space.patch("smem", "notes", {"spec": {"retrieval": {"topK": 22}}})
        eventually(lambda: bare_space.names() == ON_A_VOLUME)
        bare_space.settled()
        eventually(lambda: bare_space.ready().get("reason") == "VolumePending")


def _is_cared_for(space: Space) -> None:
    """Two stores are made, repaired, and removed with their data."""
    eventually(lambda: space.names() >= ON_A_VOLUME | {"Deployment/second-ingest"}, within=60)
    space.kubectl("delete", "service", "notes")
    eventually(lambda: space.names() >= ON_A_VOLUME)
    space.kubectl("delete", "smem", "second", "--timeout=10s")
    eventually(lambda: space.get("job", "second-removal"), within=90)
    space.settled()


def test_an_operator_of_all_namespaces_leaves_one_to_an_operator_of_its_own(
    bare_plane: ControlPlane, bare_space: Space, tmp_path: Path
) -> None:
    other = Space(bare_plane, f"other-{next(NUMBERS)}")
    sets = (f"watchNamespaces={{{bare_space.name}}}",)
    deleting = S3 | {"deletionPolicy": "Delete"}
    with (
        running(bare_plane, "lodger", tmp_path, "--namespace", bare_space.name, sets=sets),
        running(bare_plane, "everybody", tmp_path, "--ignore-namespace", bare_space.name) as everybody,
    ):
        for space in (bare_space, other):
            space.secret("bucket-keys", **KEYS)
            space.store(tier="Minimal")
            space.store("second", tier="CostEffective", storage=deleting)
        for space in (bare_space, other):
            _is_cared_for(space)
        stores = "simplemem_operator_stores"
        # Of other tests, there may be more.
        assert everybody.metrics(stores)[stores] >= 2
        both = {"notes", "second"}
        assert written(bare_space, "lodger") == {(bare_space.name, name) for name in both}
        theirs = {
            (space, name) for space, name in written(other, "everybody") if space in (other.name, bare_space.name)
        }
        assert theirs == {(other.name, name) for name in both}
    bare_plane.kubectl("delete", "namespace", other.name, "--wait=false")


@pytest.mark.parametrize(
    "words",
    [
        ("create", "secrets"),
        ("patch", "secrets"),
        ("create", "pods"),
        ("create", "pods", "--subresource=exec"),
        ("get", "pods", "--subresource=proxy"),
        ("update", "memorystores"),
        ("delete", "memorystores"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("impersonate", "users"),
    ],
)
def test_what_the_operator_never_does_it_may_not_do(bare_plane: ControlPlane, words: tuple[str, ...]) -> None:
    install_access(bare_plane)
    assert may(bare_plane, "simplemem", "patch", "deployments.apps", "-n", "default")
    assert not may(bare_plane, "simplemem", *words, "-n", "default")


def test_a_secret_of_another_tenant_is_out_of_reach(space: Space) -> None:
    neighbour = Space(space.plane, f"neighbour-{next(NUMBERS)}")
    neighbour.secret("bucket-keys", AWS_ACCESS_KEY_ID="theirs", AWS_SECRET_ACCESS_KEY="theirs")
    space.store(storage=S3)
    eventually(lambda: space.ready().get("reason") == "SecretMissing")
    assert f"secret 'bucket-keys' does not exist in namespace '{space.name}'" in space.ready()["message"]
    space.plane.kubectl("delete", "namespace", neighbour.name, "--wait=false")


@pytest.mark.parametrize("url", ["http://{host}/readyz", "http://{0}/readyz", "http://{ip/readyz"])
def test_a_wrong_probe_url_is_refused_at_the_start(tmp_path: Path, url: str) -> None:
    operator = Operator(tmp_path / "absent", tmp_path, flags=["--probe-url", url])
    operator.process.start()
    with pytest.raises(HarnessError, match=re.escape("may hold {ip}, {port}, {namespace} and {name}")):
        operator.process.wait_until(lambda: False, "ending", 20)

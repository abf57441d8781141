"""What lies in Git is what lies in the cluster: applying a sample or the chart once more changes nothing.

Argo CD and Flux compare by a dry run of server-side apply, which `kubectl diff --server-side` is too; a default that
the server fills in another way than the operator, or a field that both write, would show as a difference for ever.
Aspects: what (stores beside the operator, samples of other kinds, the chart), and how (server-side, a client's merge).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Space, eventually
from tests.cluster.test_lifecycle import versions
from tests.harness import flux
from tests.harness.control_plane import ControlPlane
from tests.harness.errors import HarnessError
from tests.harness.foreign_crds import ARGO_CD, KEDA, PROMETHEUS_OPERATOR
from tests.harness.operator import Operator
from tests.support.chart import documents, with_values

ROOT = Path(__file__).resolve().parents[2]
STORES = sorted((ROOT / "manifests").glob("*.yaml"))
NO_OBJECTS = {"argocd/argocd-cm", "grafana/*", "prometheus/*", "prometheus-adapter/*"}
"""Samples that nobody applies: a patch, and what other programs are configured with."""
OTHERS = [
    path
    for path in sorted((ROOT / "manifests").glob("*/*.yaml"))
    if not any(path.match(f"{pattern}.yaml") for pattern in NO_OBJECTS)
]
GOLDEN = ROOT / "tests" / "chart" / "golden"
VALUES = sorted(path.name.removesuffix(".values.yaml") for path in GOLDEN.glob("*.values.yaml"))
SETS = [*(("server-side", name) for name in VALUES), ("client-side", "default"), ("client-side", "everything")]
MANAGER = "argocd-controller"
WAYS = {"server-side": ("--server-side", f"--field-manager={MANAGER}"), "client-side": (f"--field-manager={MANAGER}",)}
"""How Git's tools write: by the server's merge, or by a client's with what it applied last in an annotation."""


@pytest.fixture(scope="module")
def spaces(plane: ControlPlane, operator: Operator) -> Iterator[dict[str, Space]]:
    """A namespace for each way, where all stores were applied and the operator has done all it will do."""
    assert operator.process.is_running
    found = {way: Space(plane, f"samples-{way}") for way in WAYS}
    for way, space in found.items():
        space.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
        space.kubectl("apply", *WAYS[way], "-f", "-", stdin=stores(space))
    for space in found.values():
        for document in documents(stores(space)):
            space.settled(document["metadata"]["name"])
        # Stores tell the number of pods that autoscalers set.
        eventually(space.have_scaled, within=60, every=1)
        space.rest(2)
    yield found
    for space in found.values():
        plane.kubectl("delete", "namespace", space.name, "--wait=false")


def listed(space: Space, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(space.kubectl("get", kind, "-o", "json", "--show-managed-fields"))["items"]
    return found


def versions_in(space: Space) -> dict[str, str]:
    """All but those of autoscalers, whose status their controller writes when it likes."""
    return {name: version for name, version in versions(space).items() if "HorizontalPodAutoscaler" not in name}


def stores(space: Space) -> str:
    """All samples that are stores."""
    return "\n---\n".join(sample.read_text() for sample in STORES).replace(
        "namespace: default", f"namespace: {space.name}"
    )


@pytest.mark.parametrize("way", WAYS)
def test_stores_that_are_applied_again_change_nothing(spaces: dict[str, Space], way: str) -> None:
    space, flags = spaces[way], WAYS[way]
    before, written = versions_in(space), space.writes()
    assert {f"ConfigMap/{document['metadata']['name']}-config" for document in documents(stores(space))} <= set(before)
    again = space.kubectl("apply", *flags, "-f", "-", stdin=stores(space)).splitlines()
    assert len(again) == len(STORES)
    assert way == "server-side" or all(line.endswith(" unchanged") for line in again)
    # Fails, and shows it, where there is a difference.
    assert space.kubectl("diff", *flags, "-f", "-", stdin=stores(space)) == ""
    space.rest(1)
    assert space.writes() == written
    assert versions_in(space) == before


@pytest.mark.parametrize("way", WAYS)
def test_no_field_of_a_store_is_owned_by_another(spaces: dict[str, Space], way: str) -> None:
    found = listed(spaces[way], "smem")
    assert len(found) == len(STORES)
    for store in found:
        owners = {
            entry["manager"]
            for entry in store["metadata"]["managedFields"]
            if "f:spec" in entry["fieldsV1"] and entry.get("subresource") is None
        }
        assert owners == {MANAGER}


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the namespaces that samples and sets of values name, and the kinds of other projects."""
    with ControlPlane(tmp_path_factory.mktemp("homes")) as plane:
        for name in ("simplemem-system", "team-a", "team-b", "argocd", "flux-system"):
            plane.kubectl("create", "namespace", name)
        PROMETHEUS_OPERATOR.install(plane)
        KEDA.install(plane)
        yield plane


def apply(plane: ControlPlane, text: str, *flags: str) -> list[dict[str, Any]]:
    """Strictly: a field that the server does not know is an error, where it would be dropped otherwise."""
    told = json.loads(plane.kubectl("apply", *flags, "--validate=strict", "-o", "json", "-f", "-", stdin=text))
    found: list[dict[str, Any]] = told["items"] if told["kind"] == "List" else [told]
    return found


def without_status(found: list[dict[str, Any]]) -> list[Any]:
    """What the controllers do not write meanwhile."""
    return [
        {key: value for key, value in item.items() if key not in {"metadata", "status"}}
        | {"generation": item["metadata"].get("generation"), "name": item["metadata"]["name"]}
        for item in found
    ]


def check_again(plane: ControlPlane, found: list[dict[str, Any]], *flags: str) -> None:
    """All is taken; applied again, all stays once the controllers have said their word, and nothing differs."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    last = apply(plane, text, *flags)
    assert [item["kind"] for item in last] == [document["kind"] for document in found]

    def is_still() -> bool:
        nonlocal last
        before, last = last, apply(plane, text, *flags)
        assert without_status(last) == without_status(before)
        return [item["metadata"]["resourceVersion"] for item in last] == [
            item["metadata"]["resourceVersion"] for item in before
        ]

    eventually(is_still)
    assert plane.kubectl("diff", *flags, "-f", "-", stdin=text) == ""


@pytest.mark.parametrize(("way", "name"), SETS)
def test_the_chart_that_is_applied_again_changes_nothing(homes: ControlPlane, way: str, name: str) -> None:
    rendered = with_values(GOLDEN / f"{name}.values.yaml")
    flags = (*WAYS[way], *(["--force-conflicts"] if way == "server-side" else []))
    check_again(homes, [document for document in rendered if document["kind"] != "Pod"], *flags)
    # The pod of `helm test` is made for each test and never changed.
    for pod in (document for document in rendered if document["kind"] == "Pod"):
        (taken,) = apply(homes, json.dumps(pod), *flags, "--dry-run=server")
        assert taken["spec"]["containers"][0]["args"] == pod["spec"]["containers"][0]["args"]


@pytest.fixture(scope="module")
def all_homes(homes: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> ControlPlane:
    """A control plane that knows the kinds of Argo CD and Flux, too."""
    try:
        flux.download()
        ARGO_CD.install(homes)
    except HarnessError as error:
        pytest.skip(f"the modules of Argo CD and Flux cannot be downloaded: {error}")
    flux.install_crds(homes, tmp_path_factory.mktemp("flux"))
    return homes


@pytest.mark.parametrize("sample", OTHERS, ids=lambda sample: f"{sample.parent.name}-{sample.stem}")
@pytest.mark.parametrize("way", WAYS)
def test_a_sample_of_other_kinds_that_is_applied_again_changes_nothing(
    all_homes: ControlPlane, way: str, sample: Path
) -> None:
    check_again(all_homes, documents(sample.read_text()), *WAYS[way])


@pytest.mark.parametrize("sample", OTHERS, ids=lambda sample: f"{sample.parent.name}-{sample.stem}")
def test_the_server_drops_no_field_in_silence(all_homes: ControlPlane, sample: Path) -> None:
    for document in documents(sample.read_text()):
        if "spec" in document:
            document["spec"]["intervall"] = "1m"
            with pytest.raises(HarnessError, match="intervall"):
                apply(all_homes, json.dumps(document), *WAYS["server-side"], "--dry-run=server")

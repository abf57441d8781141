"""What lies in Git is what lies in the cluster: applying a sample or the chart once more changes nothing.

Argo CD and Flux compare by a dry run of server-side apply, which `kubectl diff --server-side` is too; a default that
the server fills in another way than the operator, or a field that both write, would show as a difference for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import Space, eventually
from tests.cluster.test_lifecycle import versions
from tests.harness import flux
from tests.harness.control_plane import ControlPlane
from tests.harness.errors import HarnessError
from tests.harness.foreign_crds import KEDA, PROMETHEUS_OPERATOR
from tests.harness.operator import Operator
from tests.support.chart import documents, with_values

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = sorted((ROOT / "manifests").glob("*.yaml"), key=lambda path: path.stem)
GOLDEN = ROOT / "tests" / "chart" / "golden"
VALUES = sorted(path.name.removesuffix(".values.yaml") for path in GOLDEN.glob("*.values.yaml"))
FLUX = sorted((ROOT / "manifests" / "flux").glob("*.yaml"))
SERVER_SIDE = ("apply", "--server-side", "--field-manager=argocd-controller")


def text_of(sample: Path, space: Space) -> str:
    return sample.read_text().replace("namespace: default", f"namespace: {space.name}")


@pytest.fixture(scope="module")
def spaces(plane: ControlPlane, operator: Operator) -> Iterator[dict[str, Space]]:
    """A namespace for each sample, where it was applied and the operator has done all it will do."""
    assert operator.process.is_running
    found = {sample.stem: Space(plane, f"sample-{sample.stem}") for sample in SAMPLES}
    for sample in SAMPLES:
        space = found[sample.stem]
        space.secret("bucket-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
        space.kubectl(*SERVER_SIDE, "-f", "-", stdin=text_of(sample, space))
    for sample in SAMPLES:
        (document,) = documents(sample.read_text())
        found[sample.stem].settled(document["metadata"]["name"])
    for space in found.values():
        space.rest(0.5)
    yield found
    for space in found.values():
        plane.kubectl("delete", "namespace", space.name, "--wait=false")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_a_sample_that_is_applied_again_changes_nothing(spaces: dict[str, Space], sample: Path) -> None:
    space = spaces[sample.stem]
    before = versions(space)
    assert len(before) > 1, "the operator has made nothing"
    space.kubectl(*SERVER_SIDE, "-f", "-", stdin=text_of(sample, space))
    # Fails, and shows it, where there is a difference.
    flags = ("--server-side", "--field-manager=argocd-controller")
    assert space.kubectl("diff", *flags, "-f", "-", stdin=text_of(sample, space)) == ""
    assert versions(space) == before


def test_no_field_of_a_sample_is_owned_by_another(spaces: dict[str, Space]) -> None:
    for space in spaces.values():
        (store,) = json.loads(space.kubectl("get", "smem", "-o", "json", "--show-managed-fields"))["items"]
        owners = {
            entry["manager"]
            for entry in store["metadata"]["managedFields"]
            if "f:spec" in entry["fieldsV1"] and entry.get("subresource") is None
        }
        assert owners == {"argocd-controller"}


def test_a_sample_that_a_client_merges_again_changes_nothing(bare_space: Space) -> None:
    for sample in SAMPLES:
        text = text_of(sample, bare_space)
        bare_space.kubectl("apply", "-f", "-", stdin=text)
        before = versions(bare_space)
        assert "unchanged" in bare_space.kubectl("apply", "-f", "-", stdin=text)
        assert versions(bare_space) == before
        bare_space.kubectl("delete", "-f", "-", stdin=text)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the namespaces that the sets of values name, and the kinds of other projects."""
    with ControlPlane(tmp_path_factory.mktemp("homes")) as plane:
        for name in ("simplemem-system", "team-a", "team-b"):
            plane.kubectl("create", "namespace", name)
        PROMETHEUS_OPERATOR.install(plane)
        KEDA.install(plane)
        yield plane


@pytest.mark.parametrize("name", VALUES)
def test_the_server_takes_every_object_of_the_chart_as_it_is(homes: ControlPlane, name: str) -> None:
    """Strictly: a field that the server does not know is an error, where it would be dropped otherwise."""
    rendered = with_values(GOLDEN / f"{name}.values.yaml")
    found = [document for document in rendered if document["kind"] != "Pod"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    flags = (*SERVER_SIDE, "--validate=strict", "--force-conflicts", "-o", "json", "-f", "-")
    first, again = (homes.kubectl(*flags, stdin=text) for _ in range(2))
    items = json.loads(first)["items"]
    assert len(items) == len(found)
    for item, after in zip(items, json.loads(again)["items"], strict=True):
        # The controllers write the status of some of them meanwhile.
        assert item["metadata"].get("generation") == after["metadata"].get("generation"), item["kind"]
        assert {key: item[key] for key in item if key not in {"metadata", "status"}} == {
            key: after[key] for key in after if key not in {"metadata", "status"}
        }
        if item["kind"] not in {"Deployment", "CustomResourceDefinition"}:
            assert item["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"], item["kind"]
    # The pod of `helm test` is made for each test and never changed.
    for pod in (document for document in rendered if document["kind"] == "Pod"):
        taken = json.loads(homes.kubectl(*flags, "--dry-run=server", stdin=json.dumps(pod)))
        assert taken["spec"]["containers"][0]["args"] == pod["spec"]["containers"][0]["args"]


def test_the_crd_that_is_applied_again_changes_nothing(homes: ControlPlane) -> None:
    def applied() -> str:
        crd = (ROOT / "crds" / "memorystore.yaml").read_text()
        text = homes.kubectl(*SERVER_SIDE, "--force-conflicts", "-o", "json", "-f", "-", stdin=crd)
        return str(json.loads(text)["metadata"]["resourceVersion"])

    eventually(lambda: applied() == applied())


@pytest.fixture(scope="module")
def flux_homes(homes: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> ControlPlane:
    """A control plane that knows Flux's kinds."""
    try:
        flux.download()
    except HarnessError as error:
        pytest.skip(f"the modules of Flux cannot be downloaded: {error}")
    flux.install_crds(homes, tmp_path_factory.mktemp("flux"))
    homes.kubectl("create", "namespace", "flux-system")
    return homes


@pytest.mark.parametrize("sample", FLUX, ids=lambda sample: sample.stem)
def test_the_server_takes_every_field_of_a_sample_for_flux(flux_homes: ControlPlane, sample: Path) -> None:
    flags = (*SERVER_SIDE, "--validate=strict", "-o", "json", "-f", "-")
    found = documents(sample.read_text())
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    items = json.loads(flux_homes.kubectl(*flags, stdin=text))["items"]
    assert [item["kind"] for item in items] == [document["kind"] for document in found]
    # Nothing is dropped in silence.
    for document in found:
        if document["kind"] != "Namespace":
            document["spec"]["intervall"] = "1m"
            with pytest.raises(HarnessError, match="intervall"):
                flux_homes.kubectl(*flags, stdin=json.dumps(document))

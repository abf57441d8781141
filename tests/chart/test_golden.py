"""Six sets of values and the objects that the chart makes of them; `--update-golden` rewrites these.

What other tests hold is left out: the CRD, the text of dashboards, the rules of an alerting group, and the script of
the test's pod.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, RELEASE, documents, helm, with_values

FOLDER = Path(__file__).parent / "golden"
CASES = sorted(path.name.removesuffix(".values.yaml") for path in FOLDER.glob("*.values.yaml"))
NAMES = ("default", "everything", "hardened", "monitoring", "namespaced", "private-registry")


def golden(name: str) -> Path:
    return FOLDER / f"{name}.yaml"


def values(name: str) -> Path:
    return golden(name).with_suffix(".values.yaml")


def shortened(document: dict[str, Any]) -> dict[str, Any]:
    if document["kind"] == "PrometheusRule":
        document["spec"]["groups"] = [group["name"] for group in document["spec"]["groups"]]
    if document["kind"] == "ConfigMap" and "-dashboard-" in document["metadata"]["name"]:
        document["data"] = sorted(document["data"])
    if document["kind"] == "Pod":
        script, *arguments = document["spec"]["containers"][0]["args"]
        document["spec"]["containers"][0]["args"] = [script.splitlines()[0], *arguments]
    return document


def rendered(name: str) -> list[dict[str, Any]]:
    found = (shortened(document) for document in with_values(values(name)))
    return [document for document in found if document["kind"] != "CustomResourceDefinition"]


def test_there_are_six_sets() -> None:
    assert tuple(CASES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_objects_are_the_expected_ones(name: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        golden(name).write_text(yaml.safe_dump_all(rendered(name), sort_keys=False, width=120))
    assert rendered(name) == documents(golden(name).read_text())


@pytest.mark.parametrize("name", NAMES)
def test_a_set_is_linted_without_a_word(name: str) -> None:
    done = helm("lint", "--strict", str(CHART), "-f", str(values(name)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_pod_is_found_by_all_that_select_it(name: str) -> None:
    """Labels of one's own never take the place of those that selectors go by."""
    found = {document["kind"]: document for document in rendered(name)}
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    wanted = {"app.kubernetes.io/name": "simplemem-operator", "app.kubernetes.io/instance": RELEASE}
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == wanted
    assert wanted.items() <= labels
    assert found["Service"]["spec"]["selector"] == wanted
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == wanted


@pytest.mark.parametrize("name", NAMES)
def test_no_two_objects_have_one_name(name: str) -> None:
    found = [
        (document["kind"], document["metadata"].get("namespace"), document["metadata"]["name"])
        for document in rendered(name)
    ]
    assert len(found) == len(set(found))

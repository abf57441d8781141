"""What Artifact Hub shows of the chart is what the chart installs."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from charts import artifact_hub
from simplemem_api.load import load_store
from tests.support.chart import CHART, ROOT, template

META: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
KINDS = {"added", "changed", "deprecated", "removed", "fixed", "security"}
"""Kinds that Artifact Hub knows."""


def shown(name: str) -> Any:
    return yaml.safe_load(META["annotations"][f"artifacthub.io/{name}"])


def test_the_images_are_those_that_a_release_runs() -> None:
    (deployment,) = (found for found in template() if found["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    flags = dict(flag.split("=", 1) for flag in container["args"])
    assert {image["name"]: image["image"] for image in shown("images")} == {
        "operator": container["image"],
        "service": flags["--service-image"],
        "redis": flags["--redis-image"],
    }


def test_the_crds_are_those_that_a_release_installs() -> None:
    installed = [found for found in template() if found["kind"] == "CustomResourceDefinition"]
    assert [(crd["name"], crd["kind"], crd["version"]) for crd in shown("crds")] == [
        (crd["metadata"]["name"], crd["spec"]["names"]["kind"], version["name"])
        for crd in installed
        for version in crd["spec"]["versions"]
    ]
    tiers = [load_store(yaml.safe_dump(store)).spec.tier for store in shown("crdsExamples")]
    assert tiers
    assert len(tiers) == len(set(tiers))


def test_the_changes_are_those_of_the_newest_part_of_the_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    newest = re.split(r"^## ", text, flags=re.MULTILINE)[1]
    assert len(shown("changes")) == len(re.findall(r"^- ", newest, flags=re.MULTILINE))
    for change in shown("changes"):
        assert change["kind"] in KINDS
        assert 0 < len(change["description"]) <= artifact_hub.DESCRIPTION_CHARACTERS + len(" ...")


def test_a_change_is_cut_at_a_sentence() -> None:
    text = (
        "# Changelog\n\n## Unreleased\n\n### Bug fixes\n\n- One.\n- Two goes\n  on. "
        + "word " * 50
        + "\n\n## 0.1.0\n- Old.\n"
    )
    assert artifact_hub.changes(text) == [
        {"kind": "fixed", "description": "One."},
        {"kind": "fixed", "description": "Two goes on."},
    ]
    (long,) = artifact_hub.changes("## Unreleased\n### Security fixes\n- " + "word " * 50)
    assert long["kind"] == "security"
    assert long["description"].endswith("word ...")


def test_a_heading_that_means_no_kind_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"heading 'Chores' must be one of Backwards-incompatible changes, New features"
    ):
        artifact_hub.changes("## Unreleased\n\n### Chores\n\n- Swept.\n")


@pytest.mark.parametrize(("version", "is_early"), [("0.1.0", True), ("1.0.0-rc.1", True), ("1.0.0", False)])
def test_a_version_is_early_until_it_promises_something(version: str, is_early: bool) -> None:
    assert artifact_hub._is_prerelease(version) is is_early


def test_the_licence_and_the_links_are_the_project_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert META["annotations"]["artifacthub.io/license"] == project["license"]
    assert META["annotations"]["artifacthub.io/prerelease"] == "true"
    paths = [re.search(r"/(?:tree|blob)/main/(.+)", link["url"]) for link in shown("links")]
    named = [found.group(1) for found in paths if found]
    assert len(named) > 1
    for path in named:
        assert (ROOT / path).exists(), path

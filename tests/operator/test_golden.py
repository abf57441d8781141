"""Every case of tests/data: a MemoryStore in, all its children out, in order of application."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from simplemem_api.load import load_store
from simplemem_api.resolve import resolve
from simplemem_api.secret_names import backup_secrets_of, secrets_of
from simplemem_operator.builders import build_children
from simplemem_operator.models.desired import Desired, Images, Manifest, Monitors, Surroundings

DATA = Path(__file__).parents[1] / "data"
CASES = sorted(path.parent for path in DATA.glob("*/input.yaml"))


def children_of(case: Path) -> list[Manifest]:
    store = resolve(load_store((case / "input.yaml").read_text()))
    hashes = dict.fromkeys({**secrets_of(store), **backup_secrets_of(store)}, "0123456789abcdef")
    images = Images("example.com/simplemem-service:1", redis="example.com/redis:7")
    surroundings = Surroundings("simplemem-system", monitors=Monitors("30s"))
    return build_children(Desired(store, "11111111-2222-3333-4444-555555555555", images, hashes, surroundings))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_children_are_the_expected_ones(case: Path, request: pytest.FixtureRequest) -> None:
    expected = case / "output.yaml"
    if request.config.getoption("--update-golden"):
        expected.write_text(yaml.safe_dump(children_of(case), sort_keys=False, width=120))
    assert children_of(case) == yaml.safe_load(expected.read_text())


def test_every_tier_has_a_case() -> None:
    tiers = {load_store((case / "input.yaml").read_text()).spec.tier for case in CASES}
    assert tiers == {"Minimal", "CostEffective", "GPUAccelerated", "Enterprise", "Hybrid"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_pod_passes_the_restricted_standard(case: Path) -> None:
    for child in children_of(case):
        template = child.get("spec", {}).get("template") or child.get("spec", {}).get("jobTemplate", {}).get(
            "spec", {}
        ).get("template")
        if template is None:
            continue
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_names_and_labels_follow_the_contract(case: Path) -> None:
    store = load_store((case / "input.yaml").read_text())
    for child in children_of(case):
        metadata = child["metadata"]
        assert metadata["name"].startswith(store.metadata.name)
        assert metadata["namespace"] == store.metadata.namespace
        assert metadata["labels"]["app.kubernetes.io/name"] == "simplemem"
        assert metadata["labels"]["app.kubernetes.io/instance"] == store.metadata.name
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "simplemem-operator"

"""What the operator writes, the service reads: the same store that `simplemem up` resolves on a laptop."""

from __future__ import annotations

from pathlib import Path

import pytest

from simplemem_api.load import load_store
from simplemem_api.resolve import resolve
from simplemem_operator.builders.config_map import build_config_map
from simplemem_operator.builders.podspec import build_pod_template
from simplemem_operator.models.desired import Desired, Images
from simplemem_service.config import Role, read_config, read_resolved_store

ROOT = Path(__file__).resolve().parents[2]
INPUTS = sorted([*(ROOT / "manifests").glob("*.yaml"), *(ROOT / "tests" / "data").glob("*/input.yaml")])


def desired(path: Path) -> Desired:
    return Desired(resolve(load_store(path.read_text())), "uid", Images("example.com/service:1"))


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_pods_read_the_store_that_a_laptop_resolves(path: Path, tmp_path: Path) -> None:
    wanted = desired(path)
    file = tmp_path / "store.json"
    file.write_text(build_config_map(wanted)["data"]["store.json"])
    read, resolved = read_resolved_store(file), wanted.store
    # The number of embedding pods is the operator's business.
    assert read.embedding == resolved.embedding.model_copy(update={"gpu": None})
    for part in (
        "name",
        "namespace",
        "tier",
        "storage",
        "llm",
        "lexical",
        "compression",
        "access",
        "budget",
    ):
        assert getattr(read, part) == getattr(resolved, part), part
    assert (read.retrieval.top_k, read.retrieval.max_tokens) == (
        resolved.retrieval.top_k,
        resolved.retrieval.max_tokens,
    )


@pytest.mark.parametrize("role", ["all", "retrieval", "ingest"])
def test_the_environment_that_the_operator_sets_is_the_one_the_service_reads(role: str, tmp_path: Path) -> None:
    wanted = desired(ROOT / "manifests" / "minimal.yaml")
    container = build_pod_template(wanted, "retrieval", role)["spec"]["containers"][0]
    file = tmp_path / "store.json"
    file.write_text(build_config_map(wanted)["data"]["store.json"])
    environment = {found["name"]: found.get("value", "") for found in container["env"]}
    assert environment["SIMPLEMEM_STORE_FILE"] == "/etc/simplemem/store.json"
    config = read_config(environment | {"SIMPLEMEM_STORE_FILE": str(file)})
    assert config.role is Role(role)
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {str(config.data), "/etc/simplemem"} <= mounts
    assert container["ports"][0]["containerPort"] == config.port
    assert container["args"] == ["serve"]


def test_a_change_that_only_the_operator_acts_on_does_not_touch_the_pods() -> None:
    text = (ROOT / "manifests" / "s3.yaml").read_text()
    before = build_config_map(Desired(resolve(load_store(text)), "uid", Images("i")))
    after = build_config_map(
        Desired(resolve(load_store(text.replace("replicas: 2", "replicas: 7"))), "uid", Images("i"))
    )
    assert before == after

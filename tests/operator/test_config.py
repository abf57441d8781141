"""Prices and registries of one's own at the command line, and what is said of wrong ones."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from simplemem_api.load import load_store
from simplemem_api.prices import BUILT_IN
from simplemem_api.resolve import resolve
from simplemem_operator.builders import build_children
from simplemem_operator.config import read_config
from simplemem_operator.models.desired import Desired

HEAD = {"apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore", "metadata": {"name": "notes"}}


def test_prices_are_the_built_in_ones_unless_a_file_names_others(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("{catalogue: acme, gpuNode: 200}")
    assert read_config([]).prices == BUILT_IN
    prices = read_config(["--prices", str(file)]).prices
    assert (prices.catalogue, prices.gpu_node) == ("acme", Decimal(200))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("gpuNode: 200", "catalogue: required, and missing"),
        ("{catalogue: x, tiers: {Minimal: {sever: 1}}}", "no item 'sever'; Minimal has server"),
    ],
)
def test_a_wrong_file_ends_the_start_with_its_name(
    text: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prices.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SystemExit):
        read_config(["--prices", str(file)])
    said = capsys.readouterr().err
    assert "--prices" in said
    assert str(file) in said
    assert words in said


def test_credentials_of_a_registry_reach_every_pod_that_pulls() -> None:
    images = read_config(["--image-pull-secret", "registry", "--image-pull-secret", "mirror"]).images
    spec = {"tier": "Enterprise", "storage": {"s3": {"bucket": "memories"}}, "cache": {"redis": {"managed": {}}}}
    store = resolve(load_store(yaml.safe_dump({**HEAD, "spec": spec})))
    found = {child["kind"]: child for child in build_children(Desired(store, "uid", images))}
    wanted = [{"name": "registry"}, {"name": "mirror"}]
    # By the account, so that other credentials replace no pod; a cache has no account of its own.
    assert found["ServiceAccount"]["imagePullSecrets"] == wanted
    assert "imagePullSecrets" not in found["Deployment"]["spec"]["template"]["spec"]
    (cache,) = (
        child
        for child in build_children(Desired(store, "uid", images))
        if child["kind"] == "StatefulSet" and "serviceAccountName" not in child["spec"]["template"]["spec"]
    )
    assert cache["spec"]["template"]["spec"]["imagePullSecrets"] == wanted
    plain = build_children(Desired(store, "uid", read_config([]).images))
    assert "imagePullSecrets" not in yaml.safe_dump(plain)


def test_the_stores_pods_get_what_the_operator_is_told_of_traces_but_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.observability:4318")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")
    store = resolve(load_store(yaml.safe_dump(HEAD | {"spec": {"tier": "Minimal"}})))
    children = build_children(Desired(store, "u", read_config([]).images))
    (pod,) = [child["spec"]["template"]["spec"] for child in children if child["kind"] == "Deployment"]
    found = [one for one in pod["containers"][0]["env"] if one["name"].startswith("OTEL")]
    assert found == [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector.observability:4318"}]


def test_namespaces_are_left_out_of_all_and_not_of_named_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_config(["--ignore-namespace", "team-a"]).ignored_namespaces == {"team-a"}
    with pytest.raises(SystemExit):
        read_config(["--namespace", "team-a", "--ignore-namespace", "team-b"])
    assert "--ignore-namespace" in capsys.readouterr().err


def test_who_scrapes_is_named_as_peers_of_a_policy(capsys: pytest.CaptureFixture[str]) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert read_config(["--scrapers", f"[{json.dumps(peer)}]"]).surroundings.scrapers == (peer,)
    for wrong in ("monitoring", json.dumps(peer), "[{}]"):
        with pytest.raises(SystemExit):
            read_config(["--scrapers", wrong])
        assert f"--scrapers: '{wrong}' must be" in capsys.readouterr().err


def test_a_label_of_monitors_is_a_name_and_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--monitors", "--monitor-label", "release=prometheus", "--monitor-label", "empty="]
    found = read_config(flags).surroundings.monitors
    assert found is not None
    assert found.labels == {"release": "prometheus", "empty": ""}
    assert read_config(flags[1:]).surroundings.monitors is None
    with pytest.raises(SystemExit):
        read_config(["--monitor-label", "release"])
    assert "'release' must be NAME=VALUE" in capsys.readouterr().err

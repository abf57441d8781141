"""What is recorded of a store whose data goes with it, and what is made of the record."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from simplemem_api.load import load_store
from simplemem_api.resolve import resolve
from simplemem_operator.builders.removal import build_removal, build_removal_record, read_record
from simplemem_operator.models.desired import Desired, Images, Manifest
from tests.support.stores import S3, make_store

CASE = Path(__file__).parents[1] / "data" / "everything"
UID = "11111111-2222-3333-4444-555555555555"
IMAGES = Images("example.com/simplemem-service:1", redis="example.com/redis:7")


def recorded() -> Manifest:
    store = resolve(load_store((CASE / "input.yaml").read_text()))
    record = build_removal_record(Desired(store, UID, IMAGES))
    assert record is not None
    record["metadata"]["uid"] = "99999999-2222-3333-4444-555555555555"
    return record


def removal() -> list[Manifest]:
    record = recorded()
    store = read_record(record)
    assert store is not None
    return build_removal(store, record, IMAGES, 2)


def test_what_carries_it_out_is_the_expected(request: pytest.FixtureRequest) -> None:
    expected = CASE / "removal.yaml"
    if request.config.getoption("--update-golden"):
        expected.write_text(yaml.safe_dump(removal(), sort_keys=False, width=120))
    assert removal() == yaml.safe_load(expected.read_text())


def test_the_pod_holds_the_keys_of_its_bucket_and_no_other() -> None:
    pod = removal()[-1]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    text = json.dumps(pod)
    assert "bucket-keys" in text
    assert not [name for name in ("llm-keys", "tokens", "copies-keys", "cache-password") if name in text]
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_everything_goes_with_the_record_and_nothing_with_the_store() -> None:
    record = recorded()
    assert "ownerReferences" not in record["metadata"]
    owners = {owner["uid"] for child in removal() for owner in child["metadata"]["ownerReferences"]}
    assert owners == {record["metadata"]["uid"]}


def test_nobody_reaches_the_pod_by_a_policy_that_outlives_the_store() -> None:
    _, policy, job = removal()
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["spec"]["ingress"] == []
    assert policy["metadata"]["name"] == "full-removal"


@pytest.mark.parametrize(
    "storage",
    [
        {},
        {"pvc": {"size": "5Gi"}, "deletionPolicy": "Delete"},
        S3,
        S3 | {"deletionPolicy": "Retain"},
        {"lanceDBCloud": {"uri": "db://x", "apiKeySecretName": "k"}, "deletionPolicy": "Delete"},
        {
            "lanceDBCloud": {"uri": "db://x", "apiKeySecretName": "k", "journal": {"bucket": "abc"}},
            "deletionPolicy": "Delete",
        },
    ],
)
def test_nothing_is_recorded_where_the_data_stays_or_goes_with_its_volume(storage: dict[str, Any]) -> None:
    assert build_removal_record(Desired(make_store(storage=storage), UID, IMAGES)) is None


@pytest.mark.parametrize(
    "change",
    [{"namespace": "team-b"}, {"name": "other"}, {"storage": None}, {"storage": {"kind": "S3"}}],
)
def test_a_record_that_somebody_rewrote_for_another_store_is_not_read(change: dict[str, Any]) -> None:
    record = recorded()
    assert read_record(record) is not None
    changed = copy.deepcopy(record)
    changed["data"]["store.json"] = json.dumps(json.loads(record["data"]["store.json"]) | change)
    assert read_record(changed) is None
    assert read_record({**record, "data": {}}) is None

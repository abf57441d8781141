"""Prices of one's own travel from the values to the operator, and wrong ones are refused before that."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from simplemem_api.price_file import load_prices
from tests.support.chart import CHART, helm, template

OWN = ("prices.catalogue=acme", "prices.tiers.Minimal.server=12.5", "prices.models.gpt-5.inputUSD=1",
       "prices.models.gpt-5.outputUSD=2", "prices.lanceDBCloud.Growth=90")  # fmt: skip


def objects(*sets: str) -> dict[str, dict[str, Any]]:
    return {document["kind"]: document for document in template(*sets)}


def test_own_prices_reach_the_operator_by_a_config_map() -> None:
    found = objects(*OWN)
    config = found["ConfigMap"]
    prices = load_prices(config["data"]["prices.yaml"])
    assert (prices.catalogue, prices.cloud_plans["Growth"]) == ("acme", Decimal(90))
    assert prices.tier_items["Minimal"]["server"] == Decimal("12.5")
    pod = found["Deployment"]["spec"]["template"]["spec"]
    assert "--prices=/etc/simplemem-operator/prices.yaml" in pod["containers"][0]["args"]
    volumes = {volume["name"]: volume.get("configMap", {}).get("name") for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts["/etc/simplemem-operator"] == config["metadata"]["name"]


def test_other_prices_roll_the_operator() -> None:
    def annotations(*sets: str) -> dict[str, str]:
        found: dict[str, str] = objects(*sets)["Deployment"]["spec"]["template"]["metadata"].get("annotations", {})
        return found

    assert annotations() == {}
    one, other = (annotations(f"prices.catalogue={name}", "podAnnotations.team=a") for name in ("acme", "other"))
    assert one["team"] == other["team"] == "a"
    assert one["simplemem.io/prices-hash"] != other["simplemem.io/prices-hash"]


def test_without_prices_nothing_is_said_of_them() -> None:
    found = objects()
    assert "ConfigMap" not in found
    assert not [word for word in found["Deployment"]["spec"]["template"]["spec"]["containers"][0]["args"]
                if word.startswith("--prices")]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("prices.gpuNodes=3", "gpuNodes"),
        ("prices.gpuNode=3", "catalogue"),
        ("prices.gpuNode=-3", "gpuNode"),
        ("prices.tiers.Huge.server=3", "tiers"),
        ("prices.models.gpt.inputUSD=3", "outputUSD"),
    ],
)
def test_a_wrong_price_is_refused_by_name(value: str, named: str) -> None:
    done = helm("template", "mem", str(CHART), "--set", value)
    assert done.returncode != 0
    assert named in done.stderr

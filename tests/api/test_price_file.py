"""Prices of one's own take the place of the built-in ones, and what nobody knows is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from simplemem_api.cost import monthly_cost
from simplemem_api.errors import InvalidPricesError
from simplemem_api.memorystore import TierName
from simplemem_api.price_file import load_prices
from simplemem_api.prices import BUILT_IN
from tests.support.stores import S3, make_store

OWN = """
catalogue: acme 2027
models:
  anthropic/claude-haiku-4-5: {inputUSD: "1.00", outputUSD: 5}
  ollama/llama3: {inputUSD: 0, outputUSD: 0}
embeddingModels: {text-embedding-3-small: 0.03}
lanceDBCloud: {Growth: 120}
s3Gigabyte: 0.02
redisNode: 50
gpuNode: 200.5
tiers:
  Minimal: {server: 12}
  Enterprise: {nodes: 80}
"""


def test_own_prices_change_the_cost_and_its_name() -> None:
    cost = monthly_cost(make_store(tier="Minimal"), load_prices(OWN))
    assert (cost.monthly_usd, cost.catalogue) == (Decimal("14.84"), "acme 2027")
    haiku = monthly_cost(make_store(tier="CostEffective"), load_prices(OWN))
    assert {item.name: item.monthly_usd for item in haiku.items} == {
        "server": Decimal(60), "LLM": Decimal("21.00"), "S3 backup": Decimal("1.00"),
    }  # fmt: skip


def test_every_price_reaches_its_item() -> None:
    store = make_store(tier="Enterprise", storage=S3)
    found = {item.name: item.monthly_usd for item in monthly_cost(store, load_prices(OWN)).items}
    assert found == {
        "nodes": Decimal(480), "load balancer and traffic": Decimal(100), "LLM": Decimal(63), "GPU": Decimal("601.50"),
        "S3 storage": Decimal(20), "Redis": Decimal(150),
    }  # fmt: skip


def test_what_is_not_named_stays() -> None:
    prices = load_prices("catalogue: mine")
    assert (prices.models, prices.cloud_plans, prices.gpu_node) == (
        BUILT_IN.models, BUILT_IN.cloud_plans, BUILT_IN.gpu_node,
    )  # fmt: skip
    for tier in (TierName.MINIMAL, TierName.COST_EFFECTIVE, TierName.HYBRID):
        store = make_store(tier=tier)
        assert monthly_cost(store, prices).items == monthly_cost(store).items


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: [", "not YAML"),
        ("[]", "must be a mapping"),
        ("{}", "catalogue: required, and missing"),
        ("{catalogue: x, gpuNodes: 3}", "gpuNodes: no such field"),
        ("{catalogue: x, gpuNode: -3}", "gpuNode: must be greater than or equal to 0 (found -3)"),
        ("{catalogue: x, gpuNode: much}", "gpuNode: "),
        ("{catalogue: x, gpuNode: .nan}", "gpuNode: "),
        ("{catalogue: x, tiers: {Minimal: {serverr: 3}}}", "tiers.Minimal: no item 'serverr'; Minimal has server"),
        ("{catalogue: x, tiers: {Huge: {server: 3}}}", "tiers.Huge"),
        ("{catalogue: x, lanceDBCloud: {Grwoth: 3}}", "lanceDBCloud.Grwoth"),
        ("{catalogue: x, models: {m: {inputUSD: 1}}}", "models.m.outputUSD: required, and missing"),
        ("{catalogue: x, models: {m: 3}}", "models.m"),
    ],
)
def test_a_wrong_price_is_refused_by_its_name(text: str, words: str) -> None:
    with pytest.raises(InvalidPricesError) as caught:
        load_prices(text)
    assert words in str(caught.value)

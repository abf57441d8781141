"""The cost of each tier reproduces the published totals, and follows what a spec changes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_api.cost import Cost, monthly_cost
from simplemem_api.load import parse_store
from simplemem_api.prices import LLM_PRICES, reference_month
from simplemem_api.resolve import resolve

CLOUD = {"lanceDBCloud": {"uri": "db://x", "apiKeySecretName": "key"}}


def cost_of(**spec: Any) -> Cost:
    store = {"apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore", "metadata": {"name": "notes"}, "spec": spec}
    return monthly_cost(resolve(parse_store(store)))


def items_of(cost: Cost) -> dict[str, Decimal]:
    return {item.name: item.monthly_usd for item in cost.items}


@pytest.mark.parametrize(
    ("spec", "total"),
    [
        ({"tier": "Minimal"}, "32.84"),
        ({"tier": "CostEffective"}, "66.41"),
        ({"tier": "GPUAccelerated", "storage": CLOUD}, "519.26"),
        ({"tier": "Enterprise", "storage": CLOUD}, "3256.00"),
        ({"tier": "Hybrid"}, "57.50"),
    ],
)
def test_the_totals_of_the_tier_table_are_reproduced(spec: dict[str, Any], total: str) -> None:
    assert cost_of(**spec).monthly_usd == Decimal(total)


def test_hybrid_lies_between_the_published_bounds() -> None:
    assert Decimal(56) <= cost_of(tier="Hybrid").monthly_usd <= Decimal(59)


@pytest.mark.parametrize(
    ("model", "month"),
    [
        ("claude-haiku-4-5", "5.26"),
        ("claude-sonnet-4-5", "63.00"),
        ("gpt-4.1-mini", "2.84"),
        ("gpt-4.1", "47.25"),
        ("gpt-5-mini", "18.90"),
    ],
)
def test_the_reference_month_is_reproduced(model: str, month: str) -> None:
    assert reference_month(f"provider/{model}") == Decimal(month)


def test_object_storage_replaces_the_cloud_plan() -> None:
    items = items_of(cost_of(tier="GPUAccelerated", storage={"s3": {"bucket": "abc"}}))
    assert "LanceDB Cloud" not in items
    assert items["S3 storage"] == Decimal("2.30")


def test_embedding_on_cpu_drops_the_gpu() -> None:
    assert "GPU" not in items_of(cost_of(tier="GPUAccelerated", storage=CLOUD, embedding={"device": "CPU"}))


def test_rules_by_choice_cost_no_language_model() -> None:
    assert items_of(cost_of(tier="Minimal", llm={"mode": "Rules"}))["LLM"] == 0


def test_nodes_follow_the_replicas() -> None:
    items = items_of(cost_of(tier="GPUAccelerated", storage=CLOUD, retrieval={"replicas": 5}))
    assert items["nodes"] == Decimal(150)


def test_cheapest_routing_plans_with_the_cheapest_model() -> None:
    llm = {"models": ["anthropic/claude-sonnet-4-5", "openai/gpt-4.1-mini"], "routing": "Cheapest", "secretName": "s"}
    assert items_of(cost_of(tier="Minimal", llm=llm))["LLM"] == Decimal("2.84")


def test_a_model_without_a_price_says_so() -> None:
    cost = cost_of(tier="Minimal", llm={"models": ["ollama/llama3"], "apiBase": "http://ollama:11434"})
    item = next(item for item in cost.items if item.name == "LLM")
    assert (item.monthly_usd, item.basis) == (Decimal(0), "ollama/llama3: not in the price catalogue")


def test_a_suspended_store_pays_for_its_data_only() -> None:
    assert items_of(cost_of(tier="CostEffective", suspend=True)) == {"S3 backup": Decimal("1.15")}


@given(st.sampled_from(sorted(LLM_PRICES)), st.integers(1, 50))
def test_the_total_is_the_sum_of_its_items(model: str, replicas: int) -> None:
    cost = cost_of(tier="GPUAccelerated", storage=CLOUD, retrieval={"replicas": replicas}, llm={"models": [model]})
    assert cost.monthly_usd == sum(item.monthly_usd for item in cost.items)
    assert all(item.monthly_usd >= 0 and item.basis for item in cost.items)

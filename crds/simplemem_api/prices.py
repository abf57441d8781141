"""The price catalogue (requirements: sections 1 to 3 and 8), US dollars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
"""Smallest amount shown."""

CATALOGUE = "built-in 2025-11"
"""Which catalogue this is, as status names it."""


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """Price of a language model."""

    input_usd: Decimal
    """US dollars for a million tokens read."""
    output_usd: Decimal
    """US dollars for a million tokens written."""


LLM_PRICES: dict[str, TokenPrice] = {
    "claude-sonnet-4-5": TokenPrice(Decimal("3.00"), Decimal("15.00")),
    "claude-haiku-4-5": TokenPrice(Decimal("0.25"), Decimal("1.25")),
    "gpt-4.1": TokenPrice(Decimal("2.50"), Decimal("10.00")),
    "gpt-4.1-mini": TokenPrice(Decimal("0.15"), Decimal("0.60")),
    "gpt-5-mini": TokenPrice(Decimal("1.00"), Decimal("4.00")),
}
"""By LiteLLM name without its provider."""

EMBEDDING_API_PRICES: dict[str, Decimal] = {
    "text-embedding-3-small": Decimal("0.02"),
    "text-embedding-3-large": Decimal("0.13"),
}
"""US dollars for a million tokens embedded."""

CLOUD_PLANS: dict[str, Decimal] = {
    "Free": Decimal(0),
    "Starter": Decimal(29),
    "Growth": Decimal(99),
    "Enterprise": Decimal(1500),
}
"""LanceDB Cloud, US dollars a month; Enterprise is by contract, planned for 1 TB."""

S3_STANDARD_GB = Decimal("0.023")
"""S3 Standard, US dollars a GB and month."""
REDIS_NODE = Decimal(60)
"""A Redis node of 16 GB, US dollars a month (three cost 180)."""
T4_NODE = Decimal(325)
"""GCP n1-standard-4 with one T4, US dollars a month, always on."""


@dataclass(frozen=True, slots=True)
class Prices:
    """All prices that a store's cost is worked out by."""

    catalogue: str = CATALOGUE
    """Which catalogue this is."""
    models: Mapping[str, TokenPrice] = field(default_factory=lambda: LLM_PRICES)
    """Of language models, by LiteLLM name without its provider."""
    embedding_models: Mapping[str, Decimal] = field(default_factory=lambda: EMBEDDING_API_PRICES)
    """Of embedding models of providers, for a million tokens."""
    cloud_plans: Mapping[str, Decimal] = field(default_factory=lambda: CLOUD_PLANS)
    """Of plans of LanceDB Cloud, a month."""
    s3_standard_gb: Decimal = S3_STANDARD_GB
    """Of a gigabyte in object storage, a month."""
    redis_node: Decimal = REDIS_NODE
    """Of a node of the managed cache, a month."""
    gpu_node: Decimal = T4_NODE
    """Of a GPU node, a month."""
    tier_items: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    """Of fixed items that are not the tier table's, a month, by tier and item."""


BUILT_IN = Prices()
"""The prices of the requirements."""

REFERENCE_INPUT_MILLIONS = Decimal("10.5")
"""Tokens read in the reference month (10K fragments, 1K queries), in millions."""
REFERENCE_OUTPUT_MILLIONS = Decimal("2.1")
"""Tokens written in the reference month, in millions."""
REFERENCE_EMBEDDED_MILLIONS = Decimal("2.6")
"""Tokens embedded in the reference month (10K entries of 200 words at 1.3 tokens), in millions."""


def price_of(model: str, prices: Prices = BUILT_IN) -> TokenPrice | None:
    """Price of a LiteLLM model name, with or without its provider; None where the catalogue does not know it."""
    return prices.models.get(model.rsplit("/", 1)[-1])


def reference_month(model: str, prices: Prices = BUILT_IN) -> Decimal | None:
    """US dollars of the reference month with one model; None where the catalogue does not know it.

    `10.5 x input + 2.1 x output` (requirements: section 2), each term rounded to cents: Haiku 2.63 + 2.63.
    """
    price = price_of(model, prices)
    if price is None:
        return None
    terms = (REFERENCE_INPUT_MILLIONS * price.input_usd, REFERENCE_OUTPUT_MILLIONS * price.output_usd)
    return sum((term.quantize(CENT, ROUND_HALF_UP) for term in terms), Decimal(0))

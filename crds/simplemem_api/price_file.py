"""Prices of one's own, from a YAML text, in place of the built-in ones; what is not named there stays as it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

import yaml
from pydantic import ConfigDict, Field, ValidationError, model_validator

from simplemem_api.base import Part, Text
from simplemem_api.errors import InvalidPricesError
from simplemem_api.load import describe
from simplemem_api.memorystore import TierName
from simplemem_api.prices import BUILT_IN, Prices, TokenPrice
from simplemem_api.storage_spec import CloudPlan
from simplemem_api.tiers import TIERS

Money = Annotated[Decimal, Field(ge=0, le=1_000_000)]
"""US dollars."""


class PricePart(Part):
    """A part of the file; numbers may be written with or without quotes."""

    model_config = ConfigDict(**{**Part.model_config, "populate_by_name": False})


class TokenPriceFields(PricePart):
    """Price of a language model."""

    input_usd: Money = Field(alias="inputUSD")
    """US dollars for a million tokens read."""
    output_usd: Money = Field(alias="outputUSD")
    """US dollars for a million tokens written."""


class PriceFile(PricePart):
    """Prices of one's own; a month where nothing else is said."""

    catalogue: Text
    """Name of this catalogue, as status shows it."""
    models: dict[Text, TokenPriceFields] = Field(default_factory=dict)
    """Of language models, by LiteLLM name, with or without the provider."""
    embedding_models: dict[Text, Money] = Field(default_factory=dict)
    """Of embedding models of providers, US dollars for a million tokens."""
    lance_db_cloud: dict[CloudPlan, Money] = Field(default_factory=dict, alias="lanceDBCloud")
    """Of plans of LanceDB Cloud."""
    s3_gigabyte: Money = BUILT_IN.s3_standard_gb
    """Of a gigabyte in object storage."""
    redis_node: Money = BUILT_IN.redis_node
    """Of a node of the managed cache."""
    gpu_node: Money = BUILT_IN.gpu_node
    """Of a GPU node."""
    tiers: dict[TierName, dict[str, Money]] = Field(default_factory=dict)
    """Of the fixed items of tiers, by the name that status shows."""

    @model_validator(mode="after")
    def _knows_items(self) -> Self:
        for tier, items in self.tiers.items():
            known = [item.name for item in TIERS[tier].items]
            unknown = sorted(set(items) - set(known))
            if unknown:
                wanted = f"has {', '.join(known)}" if known else "has no fixed items"
                raise ValueError(f"tiers.{tier}: no item '{unknown[0]}'; {tier} {wanted}")
        return self

    def prices(self) -> Prices:
        """The built-in prices with these in their place."""
        own = {_bare(name): TokenPrice(one.input_usd, one.output_usd) for name, one in self.models.items()}
        return Prices(
            catalogue=self.catalogue,
            models={**BUILT_IN.models, **own},
            embedding_models={
                **BUILT_IN.embedding_models,
                **{_bare(name): usd for name, usd in self.embedding_models.items()},
            },
            cloud_plans={**BUILT_IN.cloud_plans, **{str(plan): usd for plan, usd in self.lance_db_cloud.items()}},
            s3_standard_gb=self.s3_gigabyte,
            redis_node=self.redis_node,
            gpu_node=self.gpu_node,
            tier_items={str(tier): dict(items) for tier, items in self.tiers.items()},
        )


def load_prices(text: str) -> Prices:
    """The prices in a YAML text. Raises `InvalidPricesError` with one line for each broken rule."""
    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidPricesError(f"not YAML: {error}") from error
    if not isinstance(fields, dict):
        raise InvalidPricesError("must be a mapping of prices, with at least `catalogue`")
    try:
        return PriceFile.model_validate(fields).prices()
    except ValidationError as error:
        lines = [describe(one["loc"], one["type"], one["msg"], one["input"], "prices") for one in error.errors()]
        raise InvalidPricesError("\n".join(lines)) from error


def _bare(model: str) -> str:
    """A model's name without its provider."""
    return model.rsplit("/", 1)[-1]

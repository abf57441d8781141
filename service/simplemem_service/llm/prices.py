"""What a token costs: LiteLLM's catalogue, which comes with the package, then the project's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simplemem_api import prices

INPUT_SHARE = 5
"""Tokens read for each one written, where two models are compared by one figure: the reference month's ratio."""
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a language model."""

    input_usd: float
    """US dollars for a token read."""
    output_usd: float
    """US dollars for a token written."""

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars for so many tokens."""
        return self.input_usd * input_tokens + self.output_usd * output_tokens

    @property
    def blended(self) -> float:
        """US dollars for the reference mix, by which models are compared."""
        return self.of(INPUT_SHARE, 1)


FREE = Price(0.0, 0.0)
"""A model on one's own server."""


def find_price(model: str, catalogue: Mapping[str, Mapping[str, Any]], *, is_own: bool) -> Price | None:
    """Price of a model; None where no catalogue knows it.

    Parameters
    ----------
    model
        LiteLLM name, with or without its provider.
    catalogue
        LiteLLM's table, by model name.
    is_own
        Whether it runs on a server of one's own, which costs nothing a token unless a catalogue says so.
    """
    for name in (model, model.split("/", 1)[-1]):
        found = catalogue.get(name, {})
        if "input_cost_per_token" in found and "output_cost_per_token" in found:
            return Price(float(found["input_cost_per_token"]), float(found["output_cost_per_token"]))
    known = prices.price_of(model)
    if known is not None:
        return Price(float(known.input_usd) / MILLION, float(known.output_usd) / MILLION)
    return FREE if is_own else None


def find_embedding_price(model: str, catalogue: Mapping[str, Mapping[str, Any]], *, is_own: bool) -> Price | None:
    """Price of an embedding model, which writes no tokens; None where no catalogue knows it. As `find_price`."""
    bare = model.split("/", 1)[-1]
    for name in (model, bare):
        found = catalogue.get(name, {})
        if found.get("mode") == "embedding" and "input_cost_per_token" in found:
            return Price(float(found["input_cost_per_token"]), 0.0)
    known = prices.EMBEDDING_API_PRICES.get(bare)
    if known is not None:
        return Price(float(known) / MILLION, 0.0)
    return FREE if is_own else None

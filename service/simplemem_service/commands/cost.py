"""`simplemem cost`: the monthly cost of a store, item by item, or of all tiers at a load."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from simplemem_api import exits
from simplemem_api.cost import Cost, Meter, monthly_cost
from simplemem_api.load_cost import REFERENCE, cost_at, costs_of_tiers, tier_for
from simplemem_api.prices import BUILT_IN, Prices
from simplemem_api.resolved import ResolvedStore
from simplemem_api.tiers import TIERS, Load
from simplemem_service.commands.store_file import read_prices, read_store


def run(options: argparse.Namespace) -> int:
    """Print the cost; exit status 0."""
    prices = read_prices(options.prices) if options.prices else BUILT_IN
    load = Load(
        REFERENCE.turns if options.fragments is None else options.fragments,
        REFERENCE.queries if options.queries is None else options.queries,
    )
    if options.file is None:
        return _show(options, tiers_fields(load, prices), lambda: tiers_table(load, prices))
    store = read_store(options.file)
    # At the reference load the items read as the status of the store has them.
    cost = monthly_cost(store, prices) if load == REFERENCE else cost_at(store, load, prices)
    return _show(options, cost_fields(cost), lambda: cost_table(store, cost))


def _show(options: argparse.Namespace, fields: dict[str, Any], table: Callable[[], Table]) -> int:
    if options.json:
        print(json.dumps(fields, indent=2))  # noqa: T201 - a command speaks to its user
    else:
        Console().print(table())
    return exits.DONE


def tiers_fields(load: Load, prices: Prices) -> dict[str, Any]:
    """What each tier costs at a load, and which is for it."""
    costs = costs_of_tiers(load, prices)
    return {
        "turnsPerMonth": load.turns,
        "queriesPerMonth": load.queries,
        "tier": str(tier_for(load)),
        "tiers": {str(tier): cost_fields(cost) for tier, cost in costs.items()},
    }


def tiers_table(load: Load, prices: Prices) -> Table:
    """The same as a table."""
    costs = costs_of_tiers(load, prices)
    title = f"{load.turns:,} turns and {load.queries:,} queries a month: {tier_for(load)} is for that"
    caption = f"with llm.mode Rules no models are paid; prices: {prices.catalogue}"
    table = Table(title=title, caption=caption)
    for name in ("tier", "is for"):
        table.add_column(name)
    for name in ("$/month", "of which models"):
        table.add_column(name, justify="right")
    for tier, cost in costs.items():
        bounds = TIERS[tier].load
        models = sum((item.monthly_usd for item in cost.items if item.meter is Meter.MODELS), Decimal(0))
        mark = " <" if tier == tier_for(load) else ""
        table.add_row(f"{tier}{mark}", bounds.words() if bounds else "any load", str(cost.monthly_usd), str(models))
    return table


def cost_fields(cost: Cost) -> dict[str, Any]:
    """The cost as `status.cost` of a MemoryStore spells it."""
    items = [{"name": item.name, "monthlyUSD": str(item.monthly_usd), "basis": item.basis} for item in cost.items]
    return {"monthlyUSD": str(cost.monthly_usd), "items": items, "catalogue": cost.catalogue}


def cost_table(store: ResolvedStore, cost: Cost) -> Table:
    """The cost as a table with its total."""
    title = f"{store.namespace}/{store.name}, tier {store.tier}: planned cost"
    table = Table(title=title, show_footer=True, caption=f"prices: {cost.catalogue}")
    table.add_column("item", footer="total")
    table.add_column("$/month", footer=str(cost.monthly_usd), justify="right")
    table.add_column("basis")
    for item in cost.items:
        table.add_row(item.name, str(item.monthly_usd), item.basis)
    return table

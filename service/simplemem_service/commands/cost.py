"""`simplemem cost`: the monthly cost of a store, item by item."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from simplemem_api.cost import Cost, monthly_cost
from simplemem_api.prices import BUILT_IN
from simplemem_api.resolved import ResolvedStore
from simplemem_service.commands.store_file import read_prices, read_store


def run(options: argparse.Namespace) -> int:
    """Print the cost; exit status 0."""
    store = read_store(options.file)
    cost = monthly_cost(store, read_prices(options.prices) if options.prices else BUILT_IN)
    if options.json:
        print(json.dumps(cost_fields(cost), indent=2))  # noqa: T201 - a command speaks to its user
    else:
        Console().print(cost_table(store, cost))
    return 0


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

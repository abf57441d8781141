"""Counters and gauges of the operator; names are part of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

RECONCILE_SECONDS = Histogram(
    "simplemem_operator_reconcile_seconds",
    "Time of a pass over one store, in seconds",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
"""Time of a pass."""
RECONCILE_ERRORS = Counter("simplemem_operator_reconcile_errors_total", "Passes that ended with an error", ["error"])
"""Passes that ended with an error, by its class."""
STORES = Gauge("simplemem_operator_stores", "MemoryStores that the operator looks after")
"""Stores under care."""
STORE_READY = Gauge("simplemem_operator_store_ready", "1 where a store is Ready, else 0", ["namespace", "name"])
"""Readiness of each store."""
STORE_COST = Gauge("simplemem_operator_store_cost_usd", "Monthly cost of a store, US dollars", ["namespace", "name"])
"""Cost of each store."""
WRITE_PATH_AGE = Gauge(
    "simplemem_operator_store_write_path_age_seconds",
    "Time since a turn written into a store was last found by a search, in seconds",
    ["namespace", "name"],
)
"""Age of each store's last proof that its write path works."""
STORE_CONDITION = Gauge(
    "simplemem_operator_store_condition",
    "1 for what each condition of a store is now",
    ["namespace", "name", "type", "status", "reason"],
)
"""One series for each condition of a store; rules and dashboards find every way a store fails in it."""
LAST_BACKUP = Gauge(
    "simplemem_operator_store_last_backup_timestamp_seconds",
    "When the last copy of a store was completed, seconds since 1970",
    ["namespace", "name"],
)
"""Time of each store's last copy; absent before the first."""
MONTH_COST = Gauge(
    "simplemem_operator_store_month_cost_usd",
    "What a store has cost in this calendar month, US dollars, as its status says",
    ["namespace", "name"],
)
"""Measured cost of each store; the planned one is beside it."""
COST_ITEM = Gauge(
    "simplemem_operator_store_cost_item_usd",
    "Monthly cost of a store by item, US dollars; the items make the sum",
    ["namespace", "name", "item"],
)
"""The planned cost of each store, item by item."""
HOURS = Gauge(
    "simplemem_operator_store_hours",
    "Hours of this calendar month that a store exists, is up, and that its pods run, by meter, as its status says",
    ["namespace", "name", "meter"],
)
"""What the measured cost of each store comes from; a gauge, since each month begins anew."""
TURNS = Gauge(
    "simplemem_operator_store_turns_per_month",
    "Turns remembered in a month, by the whole days of the last week",
    ["namespace", "name"],
)
"""Load of each store, turns; absent until it is known."""
QUERIES = Gauge(
    "simplemem_operator_store_queries_per_month",
    "Questions answered in a month, by the whole days of the last week",
    ["namespace", "name"],
)
"""Load of each store, questions; absent until it is known."""
RECOMMENDED_TIER = Gauge(
    "simplemem_operator_store_recommended_tier",
    "1 for the tier that fits the load of a store",
    ["namespace", "name", "tier"],
)
"""One series for each store whose load is known: its own tier where that fits."""
API_WRITES = Counter("simplemem_operator_api_writes_total", "Write requests to the API server", ["verb", "kind"])
"""Writes, by verb and kind; constant while nothing changes."""
WATCH_ERRORS = Counter("simplemem_operator_watch_errors_total", "Lists and watches that broke off", ["kind", "error"])
"""Lists and watches that broke off, by kind and error; silence counts as one."""
CACHED = Gauge("simplemem_operator_cached_objects", "Objects that the operator keeps known", ["kind"])
"""Objects in the caches, by kind."""
PER_STORE = (
    STORE_READY,
    STORE_COST,
    WRITE_PATH_AGE,
    STORE_CONDITION,
    LAST_BACKUP,
    TURNS,
    QUERIES,
    MONTH_COST,
    COST_ITEM,
    HOURS,
    RECOMMENDED_TIER,
)
"""Gauges that go with their store."""

_SHOWN: dict[tuple[Gauge, str, str], frozenset[tuple[str, ...]]] = {}
"""Further labels of each store's series that are set now, of the gauges that have a series for each thing there is."""


def show_status(namespace: str, name: str, status: Mapping[str, Any]) -> None:
    """Set what follows from the status of a store alone."""
    conditions = status["conditions"]
    cost = status.get("cost", {})
    measured = cost.get("measured", {})
    series: dict[Gauge, dict[tuple[str, ...], float]] = {
        STORE_CONDITION: {(found["type"], str(found["status"]), found["reason"]): 1 for found in conditions},
        COST_ITEM: {(item["name"],): float(item["monthlyUSD"]) for item in cost.get("items", ())},
        HOURS: {(meter["name"],): float(meter["hours"]) for meter in measured.get("meters", ())},
        RECOMMENDED_TIER: {(status["recommendation"]["tier"],): 1} if "recommendation" in status else {},
    }
    for gauge, values in series.items():
        _show(gauge, (namespace, name), values)
    if "lastBackupTime" in status:
        LAST_BACKUP.labels(namespace, name).set(datetime.fromisoformat(status["lastBackupTime"]).timestamp())
    if measured:
        MONTH_COST.labels(namespace, name).set(float(measured["usd"]))
    if "load" in status:
        TURNS.labels(namespace, name).set(status["load"]["turnsPerMonth"])
        QUERIES.labels(namespace, name).set(status["load"]["queriesPerMonth"])


def forget_store(namespace: str, name: str) -> None:
    """Remove all series of a store that is gone."""
    for gauge in PER_STORE:
        _SHOWN.pop((gauge, namespace, name), None)
        gauge.remove_by_labels({"namespace": namespace, "name": name})


def _show(gauge: Gauge, store: tuple[str, str], values: Mapping[tuple[str, ...], float]) -> None:
    """Have a gauge hold these series of a store and no other.

    New series come before old ones go, so that a scrape finds two of a condition rather than none.
    """
    for labels, value in values.items():
        gauge.labels(*store, *labels).set(value)
    for labels in _SHOWN.get((gauge, *store), frozenset()) - values.keys():
        gauge.remove(*store, *labels)
    _SHOWN[gauge, *store] = frozenset(values)

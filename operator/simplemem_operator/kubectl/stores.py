"""What the statuses of stores say: size and load, cost, and whether the tier fits."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from simplemem_api import exits
from simplemem_api.conditions import ConditionType
from simplemem_operator.errors import OperatorError
from simplemem_operator.kinds import Kind
from simplemem_operator.kubectl.session import Session
from simplemem_operator.kubectl.tables import age, as_json, render, size
from simplemem_operator.labels import INSTANCE_LABEL, NAME
from simplemem_operator.models.desired import Manifest

POD_METRICS = Kind("PodMetrics", "metrics.k8s.io/v1beta1", "pods")
"""What metrics-server tells of pods; a cluster may lack it."""

Usage = Mapping[tuple[str, str], tuple[Decimal, Decimal]]
"""Processors and bytes in use, by namespace and name of the store."""


def top(session: Session, options: argparse.Namespace) -> int:
    """Print size, backlog and load of stores."""
    stores = session.list_stores(options.name)
    used = read_usage(session)
    rows = [load_of(store, used) for store in stores]
    if options.json:
        print(as_json(rows))
        return exits.DONE
    now = datetime.now(UTC)
    headers = ("NAMESPACE", "NAME", "TIER", "READY", "ENTRIES", "SIZE", "PENDING", "PODS", "CPU", "MEMORY", "USD/MONTH")
    table = [
        (
            *(row[key] for key in ("namespace", "name", "tier", "ready", "entries")),
            size(row["storageBytes"]),
            *(row[key] for key in ("pendingTurns", "replicas")),
            None if row["cpuMillicores"] is None else f"{row['cpuMillicores']}m",
            size(row["memoryBytes"]),
            row["monthlyUSD"],
            age(store["metadata"].get("creationTimestamp"), now),
        )
        for row, store in zip(rows, stores, strict=True)
    ]
    print(render((*headers, "AGE"), table))
    return exits.DONE


def cost(session: Session, options: argparse.Namespace) -> int:
    """Print what stores cost a month as planned and this month so far, part by part, with the sum of all."""
    rows = [cost_of(store) for store in session.list_stores(options.name)]
    if options.json:
        print(as_json(rows))
        return exits.DONE
    table: list[tuple[Any, ...]] = []
    for row in rows:
        place = (row["namespace"], row["name"])
        table += [
            (*place, *(item[key] for key in ("name", "monthlyUSD", "soFarUSD", "basis"))) for item in row["items"]
        ]
        table.append((*place, "all", row["monthlyUSD"], row["soFarUSD"], row["budget"] or row["catalogue"]))
    if len(rows) > 1:
        table.append(("all", f"{len(rows)} stores", "all", _sum(rows, "monthlyUSD"), _sum(rows, "soFarUSD"), None))
    print(render(("NAMESPACE", "NAME", "ITEM", "USD/MONTH", "SO FAR", "BASIS"), table))
    return exits.DONE


def tier_advice(session: Session, options: argparse.Namespace) -> int:
    """Print which tier each store has, whether it fits, and which one would."""
    rows = [advice_of(store) for store in session.list_stores(options.name)]
    if options.json:
        print(as_json(rows))
        return exits.DONE
    keys = ("namespace", "name", "tier", "fits", "recommended", "turnsPerMonth", "queriesPerMonth", "reason")
    headers = ("NAMESPACE", "NAME", "TIER", "FITS", "RECOMMENDED", "TURNS/MONTH", "QUERIES/MONTH", "REASON")
    print(render(headers, [tuple(row[key] for key in keys) for row in rows]))
    return exits.DONE


def read_usage(session: Session) -> Usage:
    """What the pods of stores use; empty where metrics-server is not there or not for the caller."""
    try:
        return sum_usage(session.list_objects(POD_METRICS, session.namespace, f"app.kubernetes.io/name={NAME}"))
    except OperatorError:
        return {}


def sum_usage(pods: Iterable[Manifest]) -> Usage:
    """Processors and bytes by store (pure)."""
    used: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for pod in pods:
        metadata = pod["metadata"]
        key = (metadata["namespace"], metadata.get("labels", {}).get(INSTANCE_LABEL, ""))
        cpu, memory = used.get(key, (Decimal(0), Decimal(0)))
        for container in pod.get("containers", ()):
            cpu += parse_quantity(container["usage"]["cpu"])
            memory += parse_quantity(container["usage"]["memory"])
        used[key] = (cpu, memory)
    return used


def load_of(store: Manifest, used: Usage) -> dict[str, Any]:
    """Size, backlog and load of a store (pure); what is not known is None."""
    status = store.get("status", {})
    cpu, memory = used.get((store["metadata"]["namespace"], store["metadata"]["name"]), (None, None))
    figures = {key: status.get(key) for key in ("entries", "storageBytes", "pendingTurns", "replicas")}
    return {
        **_head(store),
        "ready": _condition(store, ConditionType.READY).get("status"),
        **figures,
        "cpuMillicores": None if cpu is None else int(cpu * 1000),
        "memoryBytes": None if memory is None else int(memory),
        "monthlyUSD": status.get("cost", {}).get("monthlyUSD"),
    }


def cost_of(store: Manifest) -> dict[str, Any]:
    """Cost of a store and its parts, planned and measured, and what is said of its budget (pure)."""
    found = store.get("status", {}).get("cost", {})
    measured = found.get("measured", {})
    so_far = {item["name"]: item["usd"] for item in measured.get("items", ())}
    items: dict[str, dict[str, Any]] = {}
    for item in (*found.get("items", ()), *measured.get("items", ())):
        items.setdefault(item["name"], item)
    return {
        **_head(store),
        "monthlyUSD": found.get("monthlyUSD"),
        "soFarUSD": measured.get("usd"),
        "month": measured.get("month"),
        "items": [
            {
                "name": name,
                "monthlyUSD": item.get("monthlyUSD"),
                "soFarUSD": so_far.get(name),
                "basis": item.get("basis"),
            }
            for name, item in items.items()
        ],
        "catalogue": found.get("catalogue"),
        "budget": _condition(store, ConditionType.WITHIN_BUDGET).get("message"),
    }


def advice_of(store: Manifest) -> dict[str, Any]:
    """Whether a store's tier fits, and which one would (pure)."""
    status = store.get("status", {})
    advice, load = status.get("recommendation", {}), status.get("load", {})
    fits = _condition(store, ConditionType.TIER_FITS)
    return {
        **_head(store),
        "turnsPerMonth": load.get("turnsPerMonth"),
        "queriesPerMonth": load.get("queriesPerMonth"),
        "fits": fits.get("status"),
        "recommended": advice.get("tier"),
        "reason": advice.get("reason") or fits.get("message"),
    }


def _sum(rows: list[dict[str, Any]], key: str) -> Decimal | None:
    """The sum of what is known."""
    known = [Decimal(row[key]) for row in rows if row[key] is not None]
    return sum(known, Decimal("0.00")) if known else None


def _head(store: Manifest) -> dict[str, Any]:
    metadata = store["metadata"]
    tier = store.get("status", {}).get("tier") or store.get("spec", {}).get("tier")
    return {"namespace": metadata["namespace"], "name": metadata["name"], "tier": tier}


def _condition(store: Manifest, kind: str) -> dict[str, Any]:
    conditions: Iterator[dict[str, Any]] = iter(store.get("status", {}).get("conditions", ()))
    return next((condition for condition in conditions if condition["type"] == kind), {})

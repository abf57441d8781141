"""What the builders work from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simplemem_api.resolved import ResolvedStore
from simplemem_operator.models.scale import EmbeddingScale

Manifest = dict[str, Any]
"""A Kubernetes object as its JSON."""


@dataclass(frozen=True, slots=True)
class Images:
    """What the pods of every store run."""

    service: str
    """Image of the service."""
    pull_policy: str = "IfNotPresent"
    """When the kubelet pulls it."""
    redis: str = ""
    """Image of Redis, 7.0 or later, for managed caches."""
    embedding: str = ""
    """Image of the service for the embedding pods, such as one with torch for CUDA; empty: the service's."""
    pull_secrets: tuple[str, ...] = ()
    """Secrets with the credentials of a private registry, by name, in the namespace of each store."""
    tracing: tuple[tuple[str, str], ...] = ()
    """Names and values of OpenTelemetry's environment variables for the service's pods."""


@dataclass(frozen=True, slots=True)
class Monitors:
    """How Prometheus is to find the pods that answer questions."""

    interval: str
    """How often it asks them, as Prometheus spells it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What the Prometheus selects monitors by."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the cluster has beside the stores that their children must know of."""

    operator_namespace: str | None = None
    """Where the operator itself runs, so that it may reach the pods; None: outside the cluster."""
    scrapers: Sequence[Manifest] = ()
    """Who scrapes the pods of all stores, as peers of a NetworkPolicy."""
    monitors: Monitors | None = None
    """How each store's ServiceMonitor is; None: stores have none."""


@dataclass(frozen=True, slots=True)
class MachineCost:
    """What a store's machines and storage have cost in a month."""

    month: str
    """Which month, such as 2026-03."""
    usd: str
    """US dollars, a decimal string."""


@dataclass(frozen=True, slots=True)
class Desired:
    """A store as its children are built from it."""

    store: ResolvedStore
    """The store with every default filled in."""
    uid: str
    """Identity of the MemoryStore, for ownerReferences."""
    images: Images
    """What the pods run."""
    secret_hashes: Mapping[str, str] = field(default_factory=dict)
    """Hash of the data of each Secret that the pods read, by name."""
    surroundings: Surroundings = field(default_factory=Surroundings)
    """What else the cluster has."""
    scale: EmbeddingScale | None = None
    """Number of embedding pods; None: the fewest that the spec allows."""
    kept_replicas: int | None = None
    """Number of retrieval pods that stays as an autoscaler left it; None: as the spec says."""
    machine_cost: MachineCost | None = None
    """What the pods must know of the month's cost; None: nothing, as without a budget."""

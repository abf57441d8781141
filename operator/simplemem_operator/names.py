"""Names of all children of a store, once: `<store>-<component>`."""

from __future__ import annotations


def config_map(store: str) -> str:
    """ConfigMap with the ResolvedStore."""
    return f"{store}-config"


def retrieval(store: str) -> str:
    """Deployment, autoscaler and disruption budget of the pods that answer questions."""
    return f"{store}-retrieval"


def ingest(store: str) -> str:
    """Deployment of the one pod that writes the tables."""
    return f"{store}-ingest"


def embedding(store: str) -> str:
    """StatefulSet and headless Service of the embedding pods."""
    return f"{store}-embedding"


def data(store: str) -> str:
    """Claim of the volume."""
    return f"{store}-data"


def redis(store: str) -> str:
    """StatefulSet and Service of the managed cache."""
    return f"{store}-redis"


def removal(store: str) -> str:
    """ConfigMap that says what to remove once the store is deleted, and the Job that does it."""
    return f"{store}-removal"


def backup(store: str) -> str:
    """CronJob that makes the copies."""
    return f"{store}-backup"

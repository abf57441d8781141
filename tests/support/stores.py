"""Makers of MemoryStores for tests."""

from __future__ import annotations

from typing import Any

from simplemem_api.load import parse_store
from simplemem_api.resolve import resolve
from simplemem_api.resolved import ResolvedStore

S3 = {"s3": {"bucket": "memories", "credentialsSecretName": "bucket-keys"}}


def make_manifest(name: str = "notes", namespace: str = "team-a", **spec: Any) -> dict[str, Any]:
    """A MemoryStore as a user writes it."""
    return {
        "apiVersion": "simplemem.io/v1alpha1",
        "kind": "MemoryStore",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def make_store(name: str = "notes", namespace: str = "team-a", **spec: Any) -> ResolvedStore:
    """A resolved store."""
    return resolve(parse_store(make_manifest(name, namespace, **spec)))

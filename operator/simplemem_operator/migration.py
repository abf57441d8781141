"""A store whose spec names another place for its data goes on where the data is until it is told to move. Pure.

The operator copies nothing by itself: data may be large, and what was written meanwhile would be missed. The place in
use is the one in the store's ConfigMap, which is what its pods read. Only a store whose pods have never told what they
hold moves at once: of any other the status may be older than the first turns that were acknowledged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from simplemem_api.resolved import ResolvedStorage, ResolvedStore, StorageKind
from simplemem_operator.constants import MOVE_STORAGE_TO, STORE_FILE
from simplemem_operator.models.desired import Manifest


@dataclass(frozen=True, slots=True)
class Move:
    """A change of place that waits for a yes."""

    source: str
    """Where the data is."""
    target: str
    """Where the spec wants it."""

    def explain(self, store: ResolvedStore) -> str:
        """What to do, in words."""
        return (
            f"the data is in {self.source}, the spec names {self.target}; the store goes on in {self.source}. To move, "
            "have nobody write, run `simplemem export -o FILE` against it, then "
            f"`kubectl -n {store.namespace} annotate --overwrite smem {store.name} {MOVE_STORAGE_TO}={self.target}`, "
            f"then `simplemem import FILE`; nothing in {self.source} is "
            "deleted"
        )


def keep_storage(
    store: ResolvedStore, config_map: Manifest | None, manifest: Manifest
) -> tuple[ResolvedStore, Move | None]:
    """The store as it should run now, and the move that it waits with, if any.

    Parameters
    ----------
    store
        As the spec wants it.
    config_map
        The ConfigMap that its pods read; None for a new store.
    manifest
        The MemoryStore, with its annotations and what its status knows of the data.
    """
    former = _read_storage(config_map)
    if former is None:
        return store, None
    move = Move(place_of(former), place_of(store.storage))
    is_unused = "entries" not in (manifest.get("status") or {})
    allowed = (manifest["metadata"].get("annotations") or {}).get(MOVE_STORAGE_TO)
    if move.source == move.target or is_unused or allowed == move.target:
        return store, None
    kept: dict[str, Any] = {"storage": former.model_copy(update={"deletion_policy": store.storage.deletion_policy})}
    if former.kind is StorageKind.PVC:
        # A volume has one reader, however many the spec wants elsewhere.
        kept |= {"autoscaling": None, "retrieval": store.retrieval.model_copy(update={"replicas": 1})}
    return store.model_copy(update=kept), move


def place_of(storage: ResolvedStorage) -> str:
    """What tells one place of data from another."""
    cloud, bucket = storage.lance_db_cloud, bucket_of(storage)
    if cloud is not None:
        return f"{cloud.uri}@{cloud.endpoint or cloud.region}" + (f"+{bucket}" if bucket else "")
    return bucket or "pvc"


def bucket_of(storage: ResolvedStorage) -> str:
    """The place in a bucket that the store writes to; empty where it has none."""
    if storage.s3 is None:
        return ""
    endpoint = f"@{storage.s3.endpoint}" if storage.s3.endpoint else ""
    return f"s3://{storage.s3.bucket}/{storage.s3.prefix}{endpoint}"


def _read_storage(config_map: Manifest | None) -> ResolvedStorage | None:
    text: Mapping[str, str] = (config_map or {}).get("data") or {}
    try:
        return ResolvedStorage.model_validate(json.loads(text[STORE_FILE])["storage"])
    except (KeyError, TypeError, ValueError, ValidationError):
        # Written by hand or by a much older version; the pods could not read it either.
        return None

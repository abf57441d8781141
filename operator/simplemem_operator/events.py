"""The events that tell a user of changes: of `Ready`, and of the conditions that it does not sum up. Pure.

An event is due when a condition changes and never again while it stays, so an hour of trouble is one line in
`kubectl describe`. That things are on their way is no event.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from simplemem_api.conditions import ConditionType, Reason
from simplemem_operator.constants import FIELD_MANAGER
from simplemem_operator.models.desired import Manifest
from simplemem_operator.times import write_time

MESSAGE_CHARACTERS = 1000
"""How long an event's message may be; the API server refuses more than 1024."""


SUMMED_UP = frozenset(
    {
        ConditionType.STORAGE_READY,
        ConditionType.EMBEDDING_READY,
        ConditionType.RETRIEVAL_READY,
        ConditionType.INGEST_HEALTHY,
    }
)
"""Conditions whose trouble is that of `Ready`."""


STARTING = frozenset({Reason.MODEL_LOADING, Reason.PODS_NOT_READY})
"""Reasons by which a store that starts is not Ready yet; they are told of one that was."""


def due_events(status: Mapping[str, Any], previous: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The conditions whose change a user is told of, as they are now."""
    before = {found["type"]: found for found in previous.get("conditions", ())}
    return [
        condition
        for condition in status["conditions"]
        if condition["type"] not in SUMMED_UP and _is_due(condition, before.get(condition["type"], {}))
    ]


def _is_due(condition: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    if condition["type"] == ConditionType.READY:
        is_other = (condition["status"], condition["reason"]) != (before.get("status"), before.get("reason"))
        is_start = condition["reason"] in STARTING and before.get("status") != "True"
        return is_other and condition["reason"] != Reason.RECONCILING and not is_start
    if condition["status"] == "False":
        return (before.get("status"), before.get("reason")) != ("False", condition["reason"])
    return condition["status"] == "True" and before.get("status") == "False"


def build_event(store: Manifest, condition: Mapping[str, Any], now: datetime) -> Manifest:
    """An event on a MemoryStore, or on what is left of it, with the reason and the words of a condition."""
    metadata = store["metadata"]
    time = write_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": store["apiVersion"],
            "kind": store["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": "Normal" if condition["status"] == "True" else "Warning",
        "reason": condition["reason"],
        "message": str(condition["message"])[:MESSAGE_CHARACTERS],
        "source": {"component": FIELD_MANAGER},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }

"""The event that tells a user of a change of `Ready`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from simplemem_api.memorystore import GROUP, KIND, VERSION
from simplemem_operator.constants import FIELD_MANAGER
from simplemem_operator.models.desired import Manifest

MESSAGE_CHARACTERS = 1000
"""How long an event's message may be; the API server refuses more than 1024."""


def build_event(store: Manifest, ready: Mapping[str, Any], now: datetime) -> Manifest:
    """An event on the MemoryStore with the reason and the words of its condition Ready."""
    metadata = store["metadata"]
    time = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": "Normal" if ready["status"] == "True" else "Warning",
        "reason": ready["reason"],
        "message": str(ready["message"])[:MESSAGE_CHARACTERS],
        "source": {"component": FIELD_MANAGER},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }

"""Names of blobs in which each process keeps its running totals.

A process writes its totals under a new number and removes the number before, since blobs are written once and never
changed: `<what>.<process>.<number>.json`, or without the first part. A kill between the two leaves both.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable


def draw_process(pod: str) -> str:
    """A name for this process: its pod's, as far as it fits a blob's name, and twelve digits drawn anew."""
    name = "".join(char if char.isalnum() else "-" for char in pod)[:64] or "pod"
    return f"{name}-{uuid.uuid4().hex[:12]}"


def numbered(stem: str, number: int) -> str:
    """Name of a process's totals under a number; names of one stem are in the order of their numbers."""
    return f"{stem}.{number:09d}.json"


def latest_by_stem(names: Iterable[str]) -> dict[str, str]:
    """Of the names of each stem the one with the highest number."""
    return {name.rsplit(".", 2)[0]: name for name in sorted(names)}

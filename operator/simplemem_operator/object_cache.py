"""Objects of one kind as they were last seen, as compact JSON: a tenth of what they take as dictionaries.

What is read from it is a copy, so that threads share nothing. The lock is held for look-ups only, never around a
request. Versions decide what is newer: the API server counts them up over all objects of a kind.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from simplemem_operator.kinds import STORES, Kind
from simplemem_operator.labels import INSTANCE_LABEL
from simplemem_operator.models.desired import Manifest
from simplemem_operator.prune import prune

Key = tuple[str, str]
"""Namespace and name."""

LAST_GONE = 1000
"""Objects that were deleted last and are remembered as such."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as it is remembered."""

    version: int
    """Its resourceVersion."""
    owner: Key
    """Namespace and name of the store whose label it carries, or that it is; the name is empty where there is none."""
    payload: bytes
    """Its JSON without the version."""


class ObjectCache:
    """Objects of one kind. Safe to use from any thread."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._entries: dict[Key, Entry] = {}
        self._by_store: dict[Key, set[Key]] = {}
        self._gone: dict[Key, int] = {}

    def __len__(self) -> int:
        """Number of objects."""
        return len(self._entries)

    def get(self, namespace: str, name: str) -> Manifest | None:
        """An object, or None."""
        entry = self._entries.get((namespace, name))
        return None if entry is None else _parse(entry)

    def all(self) -> list[Manifest]:
        """All objects."""
        with self._lock:
            entries = list(self._entries.values())
        return [_parse(entry) for entry in entries]

    def version(self, namespace: str, name: str) -> int:
        """Version of an object; 0 where it is not there."""
        entry = self._entries.get((namespace, name))
        return 0 if entry is None else entry.version

    def of_store(self, namespace: str, store: str) -> list[Manifest]:
        """Objects that carry the store's label, by name."""
        with self._lock:
            keys = sorted(self._by_store.get((namespace, store), ()))
            entries = [self._entries[key] for key in keys]
        return [_parse(entry) for entry in entries]

    def put(self, found: Mapping[str, Any]) -> Key | None:
        """Take over an object unless a newer version is known; the store that it tells something new of, or None."""
        entry, key = _entry(self._kind, found), _key(found)
        with self._lock:
            before = self._entries.get(key)
            # The answer to a write may come later than the event of a deletion that followed it.
            if max(before.version if before is not None else 0, self._gone.get(key, 0)) >= entry.version:
                return None
            self._remove(key)
            self._entries[key] = entry
            self._by_store.setdefault(entry.owner, set()).add(key)
        # The content of what is remembered by name alone may differ whenever its version does.
        is_same = before is not None and before.payload == entry.payload and not self._kind.is_metadata_only
        return None if is_same else entry.owner

    def drop(self, found: Mapping[str, Any]) -> Key | None:
        """Forget an object that is gone, unless a later one took its name; its store, or None if it was not known."""
        key, version = _key(found), _version(found)
        with self._lock:
            self._bury(key, version)
            before = self._entries.get(key)
            if before is None or before.version > version:
                return None
            self._remove(key)
        return before.owner

    def drop_missing(self, namespace: str | None, seen: Iterable[Key], version: int) -> list[Key]:
        """Forget what a list of this version does not show; the stores of what was forgotten."""
        kept = set(seen)
        with self._lock:
            gone = [
                key
                for key, entry in self._entries.items()
                if key not in kept and entry.version <= version and namespace in (None, key[0])
            ]
            owners = [self._entries[key].owner for key in gone]
            for key in gone:
                self._remove(key)
        return owners

    def _bury(self, key: Key, version: int) -> None:
        before = self._gone.pop(key, 0)
        self._gone[key] = max(before, version)
        if len(self._gone) > LAST_GONE:
            del self._gone[next(iter(self._gone))]

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        siblings = self._by_store[entry.owner]
        siblings.discard(key)
        if not siblings:
            del self._by_store[entry.owner]


def _entry(kind: Kind, found: Mapping[str, Any]) -> Entry:
    metadata = found["metadata"]
    labelled = (metadata.get("labels") or {}).get(INSTANCE_LABEL, "")
    owner = _key(found) if kind is STORES else (metadata["namespace"], labelled)
    return Entry(_version(found), owner, to_json(prune(kind, found)))


def _parse(entry: Entry) -> Manifest:
    found: Manifest = from_json(entry.payload)
    found["metadata"]["resourceVersion"] = str(entry.version)
    return found


def _key(found: Mapping[str, Any]) -> Key:
    return found["metadata"]["namespace"], found["metadata"]["name"]


def _version(found: Mapping[str, Any]) -> int:
    return int(found["metadata"]["resourceVersion"])

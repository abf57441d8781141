"""What the operator asks of the Kubernetes API, in its own words.

Calls block: they are made in threads. Objects are written by server-side apply under our own field manager and with
force, only the fields that we own, never by reading, changing and writing back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simplemem_operator.api import JSON, METADATA, METADATA_LIST, Api, error_of
from simplemem_operator.constants import FIELD_MANAGER
from simplemem_operator.errors import NotFoundError
from simplemem_operator.kinds import EVENTS, KINDS, PODS, STORES, Kind
from simplemem_operator.metrics import API_WRITES
from simplemem_operator.models.desired import Manifest

PAGE = 500
"""Objects in one answer to a list; a page of Deployments is some 3 MB."""

SILENCE_SECONDS = 10.0
"""How much longer than its promised life a watch may be silent, in seconds, before it is taken for dead."""

FIRST_VERSION = "1"
"""Version of an empty etcd, which no object can have: versions are counted over all of it, and each write is one."""

PROXY_SECONDS = 5.0
"""How long a pod may take to answer through the API server, in seconds."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    items: list[Manifest]
    """The objects."""
    version: str
    """Version of the list, to watch from."""
    next_token: str
    """Where the next part begins; empty after the last."""


class Cluster:
    """The Kubernetes API as the operator uses it.

    Errors are `OperatorError`s; a write may also meet `NamespaceEndingError`.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """An object, or None."""
        with contextlib.suppress(NotFoundError):
            return self._api.call("GET", kind.path(namespace, name))
        return None

    def read_metadata(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """The metadata of an object, or None."""
        with contextlib.suppress(NotFoundError):
            found: Manifest = self._api.call("GET", kind.path(namespace, name), accept=METADATA)["metadata"]
            return found
        return None

    def list_page(self, kind: Kind, namespace: str | None, selector: str, token: str) -> Page:
        """A part of the objects in a namespace, or in all for None, that carry the labels."""
        query = [("limit", str(PAGE)), *([("labelSelector", selector)] if selector else [])]
        if token:
            query.append(("continue", token))
        accept = METADATA_LIST if kind.is_metadata_only else JSON
        found = self._api.call("GET", kind.path(namespace), query=query, accept=accept)
        # Items of a list carry neither kind nor apiVersion.
        names = {"apiVersion": kind.api_version, "kind": kind.name}
        items = [{**item, **names} for item in found.get("items") or ()]
        metadata = found["metadata"]
        return Page(items, metadata["resourceVersion"], metadata.get("continue") or "")

    def watch(
        self, kind: Kind, namespace: str | None, selector: str, version: str, seconds: int
    ) -> Iterator[tuple[str, Manifest]]:
        """Types and objects of the events since a version, for so many seconds at most.

        Raises `GoneError` where the version is too old, so that a list is due.
        """
        query = [("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version)]
        query += [("timeoutSeconds", str(seconds)), *([("labelSelector", selector)] if selector else [])]
        accept = METADATA if kind.is_metadata_only else JSON
        path = kind.path(namespace)
        for event in self._api.stream(path, query=query, accept=accept, seconds=seconds + SILENCE_SECONDS):
            found = event["object"]
            if event["type"] == "ERROR":
                raise error_of("WATCH", path, int(found.get("code") or 500), str(found.get("message", "")))
            yield event["type"], {**found, "apiVersion": kind.api_version, "kind": kind.name}

    def apply(self, manifest: Manifest, live: Manifest | None = None) -> Manifest:
        """Have the object as the manifest says, in the fields that it names; gives it as it is then.

        With the live object given, only that very one is changed: one that took its name in the meantime is not.
        """
        kind, metadata = KINDS[manifest["kind"]], manifest["metadata"]
        if live is not None:
            manifest = {**manifest, "metadata": {**metadata, "uid": live["metadata"]["uid"]}}
        return self._apply(kind.path(metadata["namespace"], metadata["name"]), manifest)

    def create(self, manifest: Manifest) -> Manifest:
        """Have a new object as the manifest says, owned as if it had been applied; gives it as it is then.

        Raises `ConflictError` where an object of that name exists, whoever made it: one that is to be applied at
        another version than it has is refused, and none ever has the first.
        """
        metadata = manifest["metadata"]
        first = {**manifest, "metadata": {**metadata, "resourceVersion": FIRST_VERSION}}
        return self._apply(KINDS[manifest["kind"]].path(metadata["namespace"], metadata["name"]), first)

    def apply_replicas(self, live: Manifest, replicas: int) -> Manifest:
        """Own the number of pods under a second name, so that it stays when the first gives it up."""
        metadata = live["metadata"]
        manifest = {
            "apiVersion": live["apiVersion"],
            "kind": live["kind"],
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
            "spec": {"replicas": replicas},
        }
        path = KINDS[live["kind"]].path(metadata["namespace"], metadata["name"])
        return self._apply(path, manifest, manager=f"{FIELD_MANAGER}-handover")

    def apply_status(self, namespace: str, name: str, status: dict[str, Any]) -> Manifest:
        """Have the status of a MemoryStore as given; conditions of other writers stay."""
        manifest = {
            "apiVersion": STORES.api_version,
            "kind": STORES.name,
            "metadata": {"name": name, "namespace": namespace},
            "status": status,
        }
        return self._apply(f"{STORES.path(namespace, name)}/status", manifest)

    def delete(self, manifest: Manifest) -> None:
        """Delete exactly this object, not a later one of its name; an object that is gone already is fine."""
        kind, metadata = KINDS[manifest["kind"]], manifest["metadata"]
        body = {"preconditions": {"uid": metadata["uid"]}, "propagationPolicy": "Background"}
        API_WRITES.labels(verb="delete", kind=kind.name).inc()
        with contextlib.suppress(NotFoundError):
            self._api.call("DELETE", kind.path(metadata["namespace"], metadata["name"]), body=body)

    def post_event(self, namespace: str, event: Manifest) -> None:
        """Write an event."""
        API_WRITES.labels(verb="create", kind="Event").inc()
        self._api.call("POST", EVENTS.path(namespace), body=event)

    def read_through_proxy(self, namespace: str, pod: str, port: int, path: str) -> tuple[int, str]:
        """Status and body of a pod's answer, by way of the API server; for an operator outside the cluster."""
        return self._api.send("GET", f"{PODS.path(namespace, f'{pod}:{port}')}/proxy{path}", seconds=PROXY_SECONDS)

    def _apply(self, path: str, manifest: Manifest, *, manager: str = FIELD_MANAGER) -> Manifest:
        API_WRITES.labels(verb="apply", kind=manifest["kind"]).inc()
        query = [("fieldManager", manager), ("force", "true")]
        return self._api.call("PATCH", path, query=query, body=manifest, content_type="application/apply-patch+yaml")

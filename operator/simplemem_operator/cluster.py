"""The only module that calls the Kubernetes API; turns its answers into dictionaries and its errors into ours.

Calls block: the reconcile loop runs them in threads. Objects are written by server-side apply under our own field
manager and with force, only the fields that we own, never by reading, changing and writing back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from simplemem_api.memorystore import GROUP, PLURAL, VERSION
from simplemem_operator.constants import FIELD_MANAGER
from simplemem_operator.errors import (
    ApiUnavailableError,
    ConflictError,
    ForbiddenError,
    OperatorError,
    RefusedError,
)
from simplemem_operator.metrics import API_WRITES
from simplemem_operator.models.desired import Manifest

TIMEOUT_SECONDS = (5, 20)
"""How long a call may take to connect and to answer, in seconds; a hung API server must not hold a worker."""

MESSAGE_CHARACTERS = 256
"""How much of the API server's words an error repeats."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object and where the API serves it."""

    name: str
    """Kind."""
    api_version: str
    """API group and version."""
    plural: str
    """Resource name."""

    def path(self, namespace: str, name: str = "") -> str:
        """Path of the collection in a namespace, or of one object."""
        prefix = "/api" if "/" not in self.api_version else "/apis"
        path = f"{prefix}/{self.api_version}/namespaces/{quote(namespace)}/{self.plural}"
        return f"{path}/{quote(name)}" if name else path


KINDS = {
    kind.name: kind
    for kind in (
        Kind("ServiceAccount", "v1", "serviceaccounts"),
        Kind("ConfigMap", "v1", "configmaps"),
        Kind("Service", "v1", "services"),
        Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
        Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
        Kind("Deployment", "apps/v1", "deployments"),
        Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
        Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers"),
    )
}
"""Kinds of children, by name."""

STORES = Kind("MemoryStore", f"{GROUP}/{VERSION}", PLURAL)
"""Our own kind."""
PODS = Kind("Pod", "v1", "pods")
"""Pods."""
SECRETS = Kind("Secret", "v1", "secrets")
"""Secrets; read only."""
EVENTS = Kind("Event", "v1", "events")
"""Events."""


class Cluster:
    """The Kubernetes API as the operator uses it. Errors are `OperatorError`s."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """An object, or None."""
        return self._call("GET", kind.path(namespace, name), none_on=404)

    def list_labelled(self, kind: Kind, namespace: str, selector: str) -> list[Manifest]:
        """Objects in a namespace that carry the labels."""
        found = self._call("GET", kind.path(namespace), query=[("labelSelector", selector)]) or {}
        # Items of a list carry neither kind nor apiVersion.
        return [{"apiVersion": kind.api_version, "kind": kind.name, **item} for item in found.get("items") or ()]

    def apply(self, manifest: Manifest) -> None:
        """Have the object as the manifest says, in the fields that it names."""
        kind, metadata = KINDS[manifest["kind"]], manifest["metadata"]
        self._apply(kind.path(metadata["namespace"], metadata["name"]), manifest)

    def apply_replicas(self, live: Manifest) -> None:
        """Own the number of pods under a second name, so that it stays when the first gives it up."""
        metadata = live["metadata"]
        manifest = {
            "apiVersion": live["apiVersion"],
            "kind": live["kind"],
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
            "spec": {"replicas": live["spec"]["replicas"]},
        }
        path = KINDS[live["kind"]].path(metadata["namespace"], metadata["name"])
        self._apply(path, manifest, manager=f"{FIELD_MANAGER}-handover")

    def apply_status(self, namespace: str, name: str, status: dict[str, Any]) -> None:
        """Have the status of a MemoryStore as given; conditions of other writers stay."""
        manifest = {
            "apiVersion": STORES.api_version,
            "kind": STORES.name,
            "metadata": {"name": name, "namespace": namespace},
            "status": status,
        }
        self._apply(f"{STORES.path(namespace, name)}/status", manifest)

    def delete(self, manifest: Manifest) -> None:
        """Delete exactly this object, not a later one of its name; an object that is gone already is fine."""
        kind, metadata = KINDS[manifest["kind"]], manifest["metadata"]
        body = {"preconditions": {"uid": metadata["uid"]}, "propagationPolicy": "Background"}
        API_WRITES.labels(verb="delete", kind=kind.name).inc()
        self._call("DELETE", kind.path(metadata["namespace"], metadata["name"]), body=body, none_on=404)

    def post_event(self, namespace: str, event: Manifest) -> None:
        """Write an event."""
        API_WRITES.labels(verb="create", kind="Event").inc()
        self._call("POST", EVENTS.path(namespace), body=event)

    def read_through_proxy(self, namespace: str, pod: str, port: int, path: str) -> tuple[int, str]:
        """Status and body of a pod's answer, by way of the API server; for an operator outside the cluster."""
        return self._send("GET", f"{PODS.path(namespace, f'{pod}:{port}')}/proxy{path}", [], None, "application/json")

    def _apply(self, path: str, manifest: Manifest, *, manager: str = FIELD_MANAGER) -> None:
        API_WRITES.labels(verb="apply", kind=manifest["kind"]).inc()
        query = [("fieldManager", manager), ("force", "true")]
        self._call("PATCH", path, query=query, body=manifest, content_type="application/apply-patch+yaml")

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
        none_on: int | None = None,
    ) -> Manifest | None:
        status, text = self._send(method, path, query or [], body, content_type)
        if status == none_on:
            return None
        if status >= 400:
            raise _error(method, path, status, text)
        answer: Manifest = json.loads(text)
        return answer

    def _send(
        self, method: str, path: str, query: list[tuple[str, str]], body: Manifest | None, content_type: str
    ) -> tuple[int, str]:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        # JSON is YAML too; what is not plain JSON to the client is sent as it is.
        payload = json.dumps(body) if body is not None and content_type != "application/json" else body
        try:
            request = self._client.param_serialize(
                method, path, query_params=query, header_params=headers, auth_settings=["BearerToken"]
            )
            verb, url, sent_headers, *_ = request
            response = self._client.call_api(verb, url, sent_headers, payload, [], TIMEOUT_SECONDS)
            data = response.read() or b""
        except ApiException as error:
            return int(error.status or 0) or 503, str(error.body or error.reason)
        except (HTTPError, OSError) as error:
            raise ApiUnavailableError(f"{method} {path}: the API server does not answer: {_cut(str(error))}") from error
        return response.status, data.decode(errors="replace")


def _error(method: str, path: str, status: int, text: str) -> OperatorError:
    try:
        message = json.loads(text).get("message", text)
    except (ValueError, AttributeError):
        message = text
    words = f"{method} {path}: {status}: {_cut(str(message))}"
    if status == 403:
        return RefusedError(words) if "exceeded quota" in words else ForbiddenError(words)
    if status == 409:
        return ConflictError(words)
    if status in (400, 405, 413, 415, 422):
        return RefusedError(words)
    return ApiUnavailableError(words)


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_CHARACTERS else f"{text[: MESSAGE_CHARACTERS - 3]}..."

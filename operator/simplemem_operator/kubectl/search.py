"""A question to a store, through a port-forward to one of its pods.

The API server's own proxy would take the Authorization header for itself, so stores with tokens cannot be asked by it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from http.client import HTTPConnection, HTTPException
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward
from kubernetes.stream.ws_client import PortForward

from simplemem_api import exits
from simplemem_operator.constants import PORT
from simplemem_operator.kinds import PODS
from simplemem_operator.kubectl.errors import CommandError
from simplemem_operator.kubectl.logs import select_pods
from simplemem_operator.kubectl.session import Session
from simplemem_operator.kubectl.tables import as_json, render
from simplemem_operator.models.desired import Manifest

TOKEN_VARIABLE = "SIMPLEMEM_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable with the store's token, as `simplemem` reads it."""

ANSWER_SECONDS = 30.0
"""How long a search may take, in seconds."""

SERVING = "retrieval"
"""Component of the pods that answer searches, whatever the store's tier."""


class _Forwarded(HTTPConnection):
    """HTTP over a connection that is open already."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__("store", timeout=ANSWER_SECONDS)
        self._given = connection

    def connect(self) -> None:
        """Take the connection."""
        self._given.settimeout(ANSWER_SECONDS)
        self.sock = self._given


def search(session: Session, options: argparse.Namespace) -> int:
    """Print what a store finds; 1 if that is nothing."""
    body: dict[str, Any] = {"query": options.question, "filter": {"user_id": options.user} if options.user else {}}
    body |= {"top_k": options.top} if options.top else {}
    pod = _serving_pod(session, options.name)
    status, answer = _ask(session, pod, body, _token(options))
    if status != 200:
        raise CommandError(_explain(status, answer), exits.REFUSED if status in (401, 403) else exits.FAILED)
    results = answer["results"]
    if options.json:
        print(as_json(results))
    elif results:
        rows = [
            (
                f"{hit['score']:.3f}",
                hit["timestamp"] or hit["created_at"],
                hit["user_id"],
                hit["lossless_restatement"],
                ",".join(hit["sources"]) or None,
            )
            for hit in results
        ]
        print(render(("SCORE", "TOLD", "USER", "MEMORY", "SOURCES"), rows))
    return exits.DONE if results else exits.FAILED


def _token(options: argparse.Namespace) -> str:
    """The token, from the file that is named or else from the environment; never from the command line itself."""
    if options.token_file is None:
        return os.environ.get(TOKEN_VARIABLE, "")
    try:
        return str(options.token_file.read_text(encoding="utf-8")).strip()
    except OSError as error:
        raise CommandError(f"--token-file: {error}", exits.USAGE) from error


def _serving_pod(session: Session, store: str) -> Manifest:
    metadata = session.read_store(store)["metadata"]
    pods = [*session.list_objects(PODS, metadata["namespace"], select_pods(metadata["name"], SERVING))]
    ready = [pod for pod in pods if _is_ready(pod)]
    if not ready:
        place = f"{metadata['namespace']}/{metadata['name']}"
        raise CommandError(f"MemoryStore {place}: none of its {len(pods)} pods is ready; see `kubectl get smem`")
    return ready[0]


def _is_ready(pod: Manifest) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _ask(session: Session, pod: Manifest, body: dict[str, Any], token: str) -> tuple[int, dict[str, Any]]:
    metadata = pod["metadata"]
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        forward = _forward(session, metadata["namespace"], metadata["name"])
        try:
            connection = _Forwarded(forward.socket(PORT))
            connection.request("POST", "/v1/search", json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            forward.close()
    except ApiException as error:
        # The upgrade to a websocket is refused as "(0) Reason: Handshake status 403 Forbidden ...".
        code = exits.REFUSED if error.status == 403 or "status 403" in str(error.reason) else exits.UNREACHABLE
        raise CommandError(f"no port-forward to pod '{metadata['name']}': {str(error.reason)[:256]}", code) from error
    except (OSError, HTTPException, ValueError) as error:
        raise CommandError(f"pod '{metadata['name']}' does not answer: {error}", exits.UNREACHABLE) from error


def _forward(session: Session, namespace: str, pod: str) -> PortForward:
    # A client of its own: the websocket takes the place of the client's way of sending.
    core = client.CoreV1Api(client.ApiClient(session.client.configuration))
    return portforward(core.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(PORT))


def _explain(status: int, answer: dict[str, Any]) -> str:
    detail = answer.get("detail") or f"the store answered {status}"
    return f"{detail}; pass a token with --token-file or {TOKEN_VARIABLE}" if status == 401 else str(detail)

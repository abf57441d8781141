"""What a pod says of itself at /readyz, read without a token.

In the cluster the operator asks the pod's own address, which needs no right of the API; outside it goes through the API
server's proxy with the rights of whoever runs it.
"""

from __future__ import annotations

import json
from typing import Any

import urllib3

from simplemem_operator.cluster import Cluster
from simplemem_operator.constants import PORT
from simplemem_operator.errors import OperatorError
from simplemem_operator.models.desired import Manifest

TIMEOUT = urllib3.Timeout(connect=1, read=2)
"""How long a pod may take to answer, in seconds; a pod that is slower says nothing in this pass."""

ANSWER_BYTES = 65536
"""How much of an answer is read."""


class Probe:
    """Asks pods how they are."""

    def __init__(self, cluster: Cluster, *, is_inside: bool) -> None:
        self._cluster = cluster
        self._is_inside = is_inside
        self._pool = urllib3.PoolManager(maxsize=16, retries=False)

    def read(self, pod: Manifest) -> dict[str, Any]:
        """The pod's readiness report; empty where it does not answer."""
        address = pod.get("status", {}).get("podIP")
        if not address:
            return {}
        try:
            text = self._ask(address) if self._is_inside else self._ask_through_proxy(pod)
            report = json.loads(text)
        except (urllib3.exceptions.HTTPError, OperatorError, ValueError):
            return {}
        return report if isinstance(report, dict) else {}

    def _ask(self, address: str) -> str:
        host = f"[{address}]" if ":" in address else address
        response = self._pool.request("GET", f"http://{host}:{PORT}/readyz", timeout=TIMEOUT, preload_content=False)
        try:
            return response.read(ANSWER_BYTES).decode(errors="replace")
        finally:
            response.release_conn()

    def _ask_through_proxy(self, pod: Manifest) -> str:
        metadata = pod["metadata"]
        _, text = self._cluster.read_through_proxy(metadata["namespace"], metadata["name"], PORT, "/readyz")
        return text

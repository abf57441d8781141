"""What pods say of themselves at /readyz, read without a token and beside the passes.

In the cluster the operator asks the pod's own address, which needs no right of the API; outside it goes through the API
server's proxy with the rights of whoever runs it; a URL of its own may be given where pods are reached otherwise.

Questions are asked in the event loop, a bounded number at a time: a pod that hangs costs its own store a few seconds
and nobody else anything. A pass reads the last answers and never waits for one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp

from simplemem_operator import labels
from simplemem_operator.builders.cron_job import BACKUP
from simplemem_operator.builders.removal import REMOVAL
from simplemem_operator.cluster import Cluster
from simplemem_operator.constants import PORT
from simplemem_operator.errors import OperatorError
from simplemem_operator.models.desired import Manifest
from simplemem_operator.object_cache import Key

TIMEOUT = aiohttp.ClientTimeout(total=3, connect=1)
"""How long a pod may take to answer, in seconds."""

ATTEMPTS = 2
"""How often a pod is asked before it counts as silent: one lost answer must not turn a store's conditions."""

AGAIN_SECONDS = 1.0
"""Time between the two, in seconds."""

AT_ONCE = 128
"""Questions on their way at the same time; a thousand hanging pods are through within a minute."""

PROXIED_AT_ONCE = 8
"""The same by way of the API server, each of which takes a thread."""

ANSWER_BYTES = 65536
"""How much of an answer is read."""

Report = Mapping[str, Any]
"""A pod's readiness report; empty where it does not answer."""


def _serves(pod: Manifest) -> bool:
    """Whether a pod can be asked: those that copy or remove serve nothing."""
    labelled = pod["metadata"].get("labels", {}).get(labels.COMPONENT_LABEL)
    return bool(pod.get("status", {}).get("podIP")) and labelled not in (BACKUP, REMOVAL)


class Prober:
    """Asks pods how they are and remembers what they said.

    Parameters
    ----------
    cluster
        The way to pods through the API server.
    pods
        Gives the pods of a store.
    url
        URL of a report with the fields `{ip}`, `{namespace}`, `{name}` and `{port}`; empty: through the API server.
    """

    def __init__(self, cluster: Cluster, pods: Callable[[str, str], list[Manifest]], url: str) -> None:
        self._cluster = cluster
        self._pods = pods
        self._url = url
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._threads = ThreadPoolExecutor(PROXIED_AT_ONCE, thread_name_prefix="probe")
        self._session: aiohttp.ClientSession | None = None
        self._reports: dict[Key, dict[str, Report]] = {}

    def reports(self, namespace: str, store: str) -> Mapping[str, Report]:
        """The last reports of a store's pods, by the pod's uid."""
        return self._reports.get((namespace, store), {})

    def forget(self, key: Key) -> None:
        """A store is gone."""
        self._reports.pop(key, None)

    async def refresh(self, key: Key) -> bool:
        """Ask all pods of a store; whether any says something new."""
        pods = [pod for pod in self._pods(*key) if _serves(pod)]
        answers = await asyncio.gather(*(self._ask(pod) for pod in pods))
        reports = {pod["metadata"]["uid"]: answer for pod, answer in zip(pods, answers, strict=True)}
        is_news = reports != self._reports.get(key, {})
        self._reports[key] = reports
        return is_news

    async def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._session is not None:
            await self._session.close()

    async def _ask(self, pod: Manifest) -> Report:
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(AGAIN_SECONDS)
            async with self._limit:
                with contextlib.suppress(aiohttp.ClientError, OperatorError, OSError, TimeoutError, ValueError):
                    text = await (self._ask_pod(pod) if self._url else self._ask_through_proxy(pod))
                    report = json.loads(text)
                    return report if isinstance(report, dict) else {}
        return {}

    async def _ask_pod(self, pod: Manifest) -> str:
        if self._session is None:
            # Pods come and go, and are asked seldom: a connection kept open would be one to a pod that is gone.
            connector = aiohttp.TCPConnector(limit=AT_ONCE, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT)
        metadata, address = pod["metadata"], pod["status"]["podIP"]
        ip = f"[{address}]" if ":" in address else address
        url = self._url.format(ip=ip, namespace=metadata["namespace"], name=metadata["name"], port=PORT)
        async with self._session.get(url, allow_redirects=False) as response:
            return (await response.content.read(ANSWER_BYTES)).decode(errors="replace")

    async def _ask_through_proxy(self, pod: Manifest) -> str:
        metadata = pod["metadata"]
        loop = asyncio.get_running_loop()
        where = (metadata["namespace"], metadata["name"], PORT, "/readyz")
        _, text = await loop.run_in_executor(self._threads, self._cluster.read_through_proxy, *where)
        return text

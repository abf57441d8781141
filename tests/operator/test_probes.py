"""What a kubelet is told of an operator that hangs, and of one that may see nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from kubernetes.client import ApiClient

from simplemem_operator.api import Api
from simplemem_operator.caches import Caches
from simplemem_operator.cluster import Cluster
from simplemem_operator.handlers.probes import ProbeServer
from simplemem_operator.heartbeat import Heartbeat
from tests.harness.ports import free_ports


@dataclass
class Probed:
    """A server of probes over a heart whose clock the test moves."""

    client: httpx.AsyncClient
    heartbeat: Heartbeat
    now: list[float]

    async def status(self, path: str) -> int:
        return (await self.client.get(path)).status_code


@pytest.fixture
async def probed() -> AsyncIterator[Probed]:
    now, (port,) = [0.0], free_ports(1)
    heartbeat = Heartbeat(lambda: now[0])
    server = ProbeServer(heartbeat, Caches(Cluster(Api(ApiClient())), (), watch_seconds=60, heartbeat=heartbeat))
    await server.start(port)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield Probed(client, heartbeat, now)
    await server.stop()


async def test_a_loop_that_stopped_fails_liveness_and_readiness_until_it_ticks_again(probed: Probed) -> None:
    assert [await probed.status(path) for path in ("/healthz", "/readyz")] == [200, 200]
    probed.now[0] = 61
    answer = await probed.client.get("/healthz")
    assert (answer.status_code, answer.text) == (503, "the reconcile loop has not ticked for 61 s")
    assert await probed.status("/readyz") == 503
    assert await probed.status("/metrics") == 200
    probed.heartbeat.tick()
    assert await probed.status("/healthz") == 200


async def test_a_watch_that_stopped_fails_liveness(probed: Probed) -> None:
    probed.heartbeat.tick("watch services")
    probed.now[0] = 241
    probed.heartbeat.tick()
    answer = await probed.client.get("/healthz")
    assert (answer.status_code, answer.text) == (503, "watch services has not ticked for 241 s")

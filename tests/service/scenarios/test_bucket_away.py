"""The bucket is away for longer than a lease is held while turns stream in: no acknowledged turn is lost.

SIMPLEMEM_AWAY_SECONDS asks for a longer time.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import httpx

from simplemem_service.constants import LEASE_EXPIRY, LEASE_RENEWAL
from tests.support.bucket import BucketServer, credentials
from tests.support.server import Starter, remember
from tests.support.stream import Refusal, Stream, check_all_there_once

AWAY_SECONDS = float(os.environ.get("SIMPLEMEM_AWAY_SECONDS", "9"))
"""How long the bucket is away."""
REFUSED = Refusal(503, "StorageUnavailable", can_wait=True)


def search_meanwhile(client: httpx.Client, seconds: float) -> list[float]:
    """Seconds that each search took."""
    times: list[float] = []
    end = time.monotonic() + seconds
    body = {"query": "Where does Ada live?", "filter": {"user_id": "ada"}}
    while time.monotonic() < end:
        started = time.monotonic()
        found = client.post("/v1/search", json=body)
        times.append(time.monotonic() - started)
        assert found.json()["results"][0]["sources"] == ["ada-0"], found.text
        time.sleep(0.25)
    return times


def test_a_bucket_that_is_away_for_a_while_costs_nothing_that_was_acknowledged(
    tmp_path: Path, make_server: Starter
) -> None:
    held = LEASE_EXPIRY - LEASE_RENEWAL
    assert held.total_seconds() < AWAY_SECONDS, "the writer must have to take over again"
    bucket = BucketServer(tmp_path)
    bucket.start()
    s3 = {"bucket": "memories", "prefix": "away", "endpoint": bucket.endpoint}
    embedding = {"model": "all-MiniLM-L6-v2"}
    server = make_server(tmp_path, credentials(), tier="CostEffective", embedding=embedding, storage={"s3": s3})
    server.serve("all")
    try:
        server.wait_ready()
        with server.client() as client:
            remember(client, "ada", "I moved to Rome.")
            stream = Stream(server.url, timeout_seconds=30)
            stream.start()
            time.sleep(1.5)
            before = len(stream.acknowledged)
            bucket.stop()
            times = search_meanwhile(client, AWAY_SECONDS)
            during = len(stream.acknowledged)
            bucket.start()
            server.wait_ready()
            time.sleep(1.5)
            stream.stop()
        assert before > 5
        assert len(stream.acknowledged) > during + 5, "turns are taken again without a restart"
        assert set(stream.refused) == {REFUSED}
        assert max(times) < 5
        check_all_there_once(server, stream.acknowledged, others=1)
        assert server.stop() == 0
    finally:
        bucket.stop()

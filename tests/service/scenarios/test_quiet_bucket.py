"""A quiet store in a bucket costs little, and what one pod accepts is found by the others within two seconds."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from simplemem_service.constants import LEASE_REST
from tests.support.bucket import BucketServer, credentials
from tests.support.server import Server, Starter, eventually, finish

FRESH_SECONDS = 2.0
"""Within which every pod finds what is in the tables."""
QUIET_SECONDS = 24.0
"""How long requests are counted."""
USD = {"s3_ListObjectsV2": 5e-6, "s3_PutObject": 5e-6, "s3_HeadObject": 4e-7, "s3_GetObject": 4e-7}
"""S3's price of a request in its standard class, us-east-1; deletions are free."""
MONTH_SECONDS = 730 * 3600


def finds(server: Server, text: str) -> bool:
    body = {"query": text, "top_k": 1, "filter": {"user_id": "u"}}
    with server.client() as client:
        results: list[dict[str, Any]] = client.post("/v1/search", json=body).raise_for_status().json()["results"]
    return bool(results) and text in results[0]["lossless_restatement"]


def test_pods_hear_of_each_other_and_a_quiet_store_asks_little(
    tmp_path: Path, make_server: Starter, bucket: BucketServer
) -> None:
    s3 = {"bucket": "memories", "prefix": "quiet", "endpoint": bucket.endpoint}
    spec = {"storage": {"s3": s3}, "tier": "CostEffective", "embedding": {"model": "all-MiniLM-L6-v2"}}
    quiet = credentials() | {"SIMPLEMEM_CANARY_SECONDS": "0"}
    writer, *readers = [make_server(tmp_path / name, quiet, **spec) for name in ("writer", "one", "two")]
    writer.serve("ingest")
    for reader in readers:
        reader.serve("retrieval")
    for server in (writer, *readers):
        server.wait_ready()
    for number in range(3):
        text = f"Ada put parcel {number} on shelf {number + 7}."
        turn = {"speaker": "Ada", "text": text, "timestamp": "2026-04-01T09:00:00Z"}
        with readers[0].client() as client:
            body = {"user_id": "u", "session_id": "s", "turns": [turn]}
            answer = client.post("/v1/turns", json=body).raise_for_status().json()
            assert finish(client, answer["operation_id"])["state"] == "Succeeded"
        done = time.monotonic()
        eventually(lambda text=text: finds(readers[1], text), within=40, what=f"'{text}' found by the other pod")  # type: ignore[misc]
        assert time.monotonic() - done <= FRESH_SECONDS
        # Long enough for the other pod to look as seldom as it may.
        time.sleep(3)
    time.sleep(LEASE_REST.total_seconds())
    before = len(bucket.requests())
    time.sleep(QUIET_SECONDS)
    calls = Counter(call for call, name in bucket.requests()[before:] if "quiet" in name)
    monthly = sum(count * USD.get(call, 0) for call, count in calls.items()) / QUIET_SECONDS * MONTH_SECONDS
    # Measured over two minutes: $6.80 with one reader, of which 0.55 are the lease, and 9.40 with two.
    assert monthly < 18, calls

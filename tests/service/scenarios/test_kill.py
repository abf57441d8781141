"""kill -9 at random points while turns stream in: every acknowledged turn is there, once.

The rounds run on one store, so that each starts on what the one before left behind; SIMPLEMEM_KILL_ROUNDS asks for
more of them.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.support.bucket import BucketServer, credentials
from tests.support.server import Starter
from tests.support.stream import Stream, check_all_there_once

ROUNDS = int(os.environ.get("SIMPLEMEM_KILL_ROUNDS", "5"))


@pytest.mark.parametrize("round_count", [ROUNDS])
def test_a_volume_s_store_survives_kills(tmp_path: Path, round_count: int, make_server: Starter) -> None:
    server = make_server(tmp_path)
    acknowledged: dict[str, str] = {}
    for _ in range(round_count):
        server.start()
        server.wait_ready()
        stream = Stream(server.url)
        stream.start()
        time.sleep(random.uniform(0.2, 1.5))  # noqa: S311 - a moment, no secret
        server.kill()
        stream.stop()
        acknowledged |= stream.acknowledged
    assert len(acknowledged) > 20 * round_count
    server.start()
    server.wait_ready()
    check_all_there_once(server, acknowledged)
    assert server.stop() == 0


@pytest.mark.parametrize("round_count", [ROUNDS])
def test_a_bucket_s_store_survives_kills_of_both_pods(
    tmp_path: Path, round_count: int, bucket_server: BucketServer, make_server: Starter
) -> None:
    s3 = {"bucket": "memories", "prefix": "kills", "endpoint": bucket_server.endpoint}
    embedding = {"model": "all-MiniLM-L6-v2"}
    retrieval, ingest = (
        make_server(tmp_path / role, credentials(), tier="CostEffective", embedding=embedding, storage={"s3": s3})
        for role in ("retrieval", "ingest")
    )
    acknowledged: dict[str, str] = {}
    ingest.serve("ingest")
    for number in range(round_count):
        retrieval.serve("retrieval")
        retrieval.wait_ready()
        stream = Stream(retrieval.url)
        stream.start()
        time.sleep(random.uniform(0.2, 1.5))  # noqa: S311 - a moment, no secret
        if number % 2 == 0:
            ingest.kill()
            ingest.serve("ingest")
            time.sleep(random.uniform(0, 0.5))  # noqa: S311 - a moment, no secret
        retrieval.kill()
        stream.stop()
        acknowledged |= stream.acknowledged
    assert len(acknowledged) > 10 * round_count
    retrieval.serve("retrieval")
    retrieval.wait_ready()
    ingest.wait_ready()
    check_all_there_once(retrieval, acknowledged)
    assert [retrieval.stop(), ingest.stop()] == [0, 0]

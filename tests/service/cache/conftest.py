"""What the tests of caches share: a Redis, and what a cache counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simplemem_service.telemetry import Metrics
from tests.support.redis_server import RedisServer


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of one test."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def metrics() -> Metrics:
    """Fresh counters."""
    return Metrics()

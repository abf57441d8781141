"""What the tests of embedding models share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from simplemem_service.telemetry import Metrics
from tests.support.openai_server import OpenAiServer


@pytest.fixture
def openai_server() -> Iterator[OpenAiServer]:
    """A scripted server."""
    server = OpenAiServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def metrics() -> Metrics:
    """Counters of one test."""
    return Metrics()


@pytest.fixture
def quiet_library() -> Iterator[None]:
    """LiteLLM's own types use features that pydantic warns about, and it deprecates parts of itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"pydantic|litellm|openai")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        yield

"""What the tests of language models share: a scripted server, and a router that asks it through real LiteLLM."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

from simplemem_api.memory_spec import BudgetAction, Routing
from simplemem_api.resolved import ResolvedBudget
from simplemem_service.llm.budget import Budget
from simplemem_service.llm.ledger import Ledger
from simplemem_service.llm.litellm_client import LiteLlmClient
from simplemem_service.llm.router import Router
from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.telemetry import Metrics
from tests.support.openai_server import OpenAiServer

PRICED = "openai/gpt-4.1-mini"
"""A model of the catalogue, dearer than `CHEAP`."""
CHEAP = "openai/gpt-4.1-nano"
MARCH = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def quiet_library() -> Iterator[None]:
    """LiteLLM's own types use features that pydantic warns about, and it deprecates parts of itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"pydantic|litellm|openai")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        yield


@pytest.fixture
def openai_server() -> Iterator[OpenAiServer]:
    """A scripted server."""
    server = OpenAiServer()
    server.start()
    yield server
    server.stop()


class RouterMaker(Protocol):
    """Makes routers on one ledger folder."""

    def __call__(
        self,
        *models: str,
        routing: Routing = Routing.IN_ORDER,
        budget_usd: str | None = None,
        on_exceeded: BudgetAction = BudgetAction.WARN,
        timeout: float = 5,
        **settings: Any,
    ) -> Router: ...


@pytest.fixture
def metrics() -> Metrics:
    """Counters of one test."""
    return Metrics()


@pytest.fixture
def make_router(openai_server: OpenAiServer, tmp_path: Path, metrics: Metrics) -> RouterMaker:
    """Routers that ask the scripted server; each stands for a process of its own on the same store."""

    def make(
        *models: str,
        routing: Routing = Routing.IN_ORDER,
        budget_usd: str | None = None,
        on_exceeded: BudgetAction = BudgetAction.WARN,
        timeout: float = 5,
        **settings: Any,
    ) -> Router:
        limit = None
        if budget_usd is not None:
            limit = ResolvedBudget.model_validate({"monthlyUsd": budget_usd, "onExceeded": on_exceeded})
        budget = Budget(limit, Ledger(LocalBlobStore(tmp_path / "store"), "pod", clock=lambda: MARCH))
        client = LiteLlmClient(openai_server.url, timeout)
        chosen = models or (PRICED,)
        return Router(client, chosen, routing, budget, metrics, first_pause_seconds=0.01, **settings)

    return make

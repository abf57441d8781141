"""Language models, and what they may cost."""

from __future__ import annotations

import socket

from simplemem_api.memory_spec import LlmMode
from simplemem_api.workload_spec import Device
from simplemem_service.config import Config
from simplemem_service.llm.base import LanguageModel
from simplemem_service.llm.budget import Budget
from simplemem_service.llm.ledger import Ledger
from simplemem_service.llm.litellm_client import LiteLlmClient
from simplemem_service.llm.machines import Machines
from simplemem_service.llm.router import Router
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.telemetry import Metrics


def create_budget(config: Config, blobs: BlobStore) -> Budget | None:
    """What paid models have cost and may cost; None where the store calls none."""
    store = config.store
    if store.llm.mode is not LlmMode.MODEL and store.embedding.device is not Device.API:
        return None
    ledger = Ledger(blobs, f"{socket.gethostname()}-{config.role}")
    return Budget(store.budget, ledger, Machines(config.month_file))


def create_model(config: Config, budget: Budget | None, metrics: Metrics) -> LanguageModel | None:
    """The language models of a store; None where it calls none."""
    llm = config.store.llm
    if budget is None or llm.mode is not LlmMode.MODEL:
        return None
    client = LiteLlmClient(llm.api_base, config.llm_timeout_seconds)
    return Router(client, llm.models, llm.routing, budget, metrics, calls_per_minute=config.llm_calls_per_minute)

"""Embedding models: in this process, in embedding pods, or at a provider."""

from __future__ import annotations

from simplemem_api.workload_spec import Device
from simplemem_service.api.token_file import read_own_token
from simplemem_service.cache.cached_embedding import CachedEmbedding
from simplemem_service.cache.redis_cache import RedisCache
from simplemem_service.cache.scope import CacheScope
from simplemem_service.cache.tiered import TieredCache
from simplemem_service.config import Config, Role
from simplemem_service.embedding.api_embedding import ApiEmbedding
from simplemem_service.embedding.base import Embedding
from simplemem_service.embedding.local import LocalEmbedding
from simplemem_service.embedding.remote import RemoteEmbedding
from simplemem_service.embedding.torch_encoder import find_device
from simplemem_service.llm.budget import Budget
from simplemem_service.llm.litellm_embeddings import LiteLlmEmbeddings
from simplemem_service.llm.provider_models import is_provider_model
from simplemem_service.llm.spending import Spending
from simplemem_service.measured import MeasuredEmbedding
from simplemem_service.telemetry import Metrics


def create_embedding(
    config: Config,
    metrics: Metrics,
    model: str | None = None,
    *,
    budget: Budget | None = None,
    scope: CacheScope | None = None,
) -> Embedding:
    """An embedding model, not loaded yet; None: the one that the MemoryStore names.

    Parameters
    ----------
    config, metrics
        Of the process.
    model
        Its name; another one than the MemoryStore's while the store is re-embedded.
    budget
        Notes what a provider's model costs; None: the metrics alone.
    scope
        The store's keys in a shared cache; None: of a process without a store, which uses none.
    """
    model = model or config.store.embedding.model
    is_api = _is_api(config, model)
    inner = _create_api_embedding(config, metrics, model, budget) if is_api else _create_local(config, metrics, model)
    measured = MeasuredEmbedding(inner, metrics)
    if config.redis_url is None or scope is None:
        return measured
    return CachedEmbedding(measured, TieredCache(RedisCache(config.redis_url, metrics)), scope, metrics)


def _is_api(config: Config, model: str) -> bool:
    """Whether a model is called over the network; of the one that the MemoryStore names, its device says so."""
    named = config.store.embedding
    return named.device is Device.API if model == named.model else is_provider_model(model)


def _create_api_embedding(config: Config, metrics: Metrics, model: str, budget: Budget | None) -> Embedding:
    api_base, spending = config.store.llm.api_base, Spending(metrics, budget)
    provider = LiteLlmEmbeddings(model, api_base, config.llm_timeout_seconds, spending, metrics)
    return ApiEmbedding(model, provider)


def _create_local(config: Config, metrics: Metrics, model: str) -> Embedding:
    device = "cpu"
    if config.role is Role.EMBEDDING and config.store.embedding.device is Device.GPU:
        device = find_device()
    inner = LocalEmbedding(
        model,
        models_folder=config.models,
        cache_folder=config.data / "models",
        encoders=config.encoders,
        device=device,
    )
    # The embedding pods serve the model that the MemoryStore names.
    if not config.embedding_addresses or not config.role.ingests or model != config.store.embedding.model:
        return inner
    return RemoteEmbedding(inner, config.embedding_addresses, metrics, read_token=lambda: _read_own_token(config))


def _read_own_token(config: Config) -> str | None:
    is_needed = config.store.access.token_secret_name is not None and config.tokens is not None
    return read_own_token(config.tokens) if is_needed and config.tokens is not None else None

"""The route that tells how a store is."""

from __future__ import annotations

import time
from dataclasses import asdict

from fastapi import APIRouter

from simplemem_service.api.access import Caller
from simplemem_service.api.context import PartsOf, Reader, ServiceOf
from simplemem_service.api.plan import cost_of, use_of
from simplemem_service.api.status_schemas import ReembeddingOut, StatusOut
from simplemem_service.backup.records import Backups
from simplemem_service.lifecycle import Service
from simplemem_service.llm.budget import RULES_BASIS
from simplemem_service.parts import Parts

router = APIRouter(tags=["memories"])

OF_OTHERS = (
    "storage_bytes",
    "pending_turns",
    "oldest_pending_seconds",
    "last_backup_at",
    "spend",
    "cost",
    "use",
)
"""Figures that tell of all users together, and so nothing to a token that is bound to one."""


@router.get("/v1/status", summary="Counts, model, backlog")
async def get_status(caller: Reader, service: ServiceOf, parts: PartsOf) -> StatusOut:
    """What the store holds and how far it is behind."""
    return await read_store_status(caller, service, parts)


async def read_store_status(caller: Caller, service: Service, parts: Parts) -> StatusOut:
    """The status as a caller may see it."""
    store = parts.store
    counts = await parts.storage.counts()
    progress = await parts.jobs.progress() if parts.jobs else None
    worker = parts.worker
    status = StatusOut(
        name=store.name,
        namespace=store.namespace,
        tier=store.tier,
        role=service.config.role,
        ready=service.health.is_ready,
        entries=counts.entries,
        turns=counts.turns,
        storage_bytes=counts.size_bytes,
        model=service.embedding.model if service.embedding else store.embedding.model,
        generation=parts.generation,
        reembedding=ReembeddingOut(**asdict(progress)) if progress else None,
        dimension=service.dimension,
        lexical=store.lexical,
        llm_mode=store.llm.mode,
        llm_models=parts.model.models if parts.model else (),
        table_version=service.index_version,
        index_lag_rows=service.lag(counts.entries) if parts.follower else None,
        pending_turns=service.pending_turns,
        oldest_pending_seconds=round(worker.oldest_pending_seconds(time.time_ns()), 3) if worker else None,
        last_backup_at=await _last_backup(parts),
        spend=await parts.budget.report() if parts.budget else {"month_usd": 0.0, "basis": RULES_BASIS},
        cost=cost_of(store),
        use=use_of(store, service.usage.week) if service.usage else None,
    )
    if caller.user_id is None:
        return status
    own = await parts.storage.count_user(caller.user_id)
    return status.model_copy(update={"entries": own.entries, "turns": own.turns, **dict.fromkeys(OF_OTHERS)})


async def _last_backup(parts: Parts) -> str | None:
    _, good = await Backups(parts.blobs).last() if parts.store.backup is not None else (None, None)
    return None if good is None else good.ended_at

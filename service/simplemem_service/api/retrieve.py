"""Routes that answer questions."""

from __future__ import annotations

import time
from dataclasses import replace

from fastapi import APIRouter
from opentelemetry import trace

from simplemem_service.api.context import PartsOf, Reader, ServiceOf
from simplemem_service.api.schemas import DepthOut, HitOut, PlanOut, RetrieveIn, RetrieveOut, SearchIn, SearchOut
from simplemem_service.constants import CONCURRENT_REQUESTS_MAX
from simplemem_service.errors import NotReadyError, OverloadedError
from simplemem_service.lifecycle import Service
from simplemem_service.models.query import EntryFilter, Query, Retrieved
from simplemem_service.parts import Parts

router = APIRouter(tags=["ask"])
tracer = trace.get_tracer(__name__)


@router.post("/v1/search", summary="Find memories")
async def search(caller: Reader, body: SearchIn, service: ServiceOf, parts: PartsOf) -> SearchOut:
    """Results best first, and one text of them that fits `max_tokens`."""
    started = time.perf_counter()
    defaults = parts.store.retrieval
    found = await find(
        service,
        parts,
        Query(
            text=body.query,
            top_k=body.top_k or defaults.top_k,
            max_tokens=body.max_tokens or defaults.max_tokens,
            filter=replace(body.filter.to_model(), user_id=caller.narrow(body.filter.user_id)),
            explain=body.explain,
            deepens=body.top_k is None,
        ),
    )
    return SearchOut.model_construct(
        results=[HitOut.of_hit(hit) for hit in found.hits],
        context=found.context,
        context_tokens=found.context_tokens,
        degraded=found.degraded or None,
        took_ms=round((time.perf_counter() - started) * 1000, 2),
        depth=DepthOut.of(found) if body.explain else None,
        plan=PlanOut.of(found.plan) if body.explain and found.plan else None,
    )


@router.post("/retrieve", summary="Find memories, the documented call")
async def retrieve(caller: Reader, body: RetrieveIn, service: ServiceOf, parts: PartsOf) -> RetrieveOut:
    """The same search with the store's settings."""
    defaults = parts.store.retrieval
    query = Query(
        text=body.query,
        top_k=body.top_k or defaults.top_k,
        max_tokens=defaults.max_tokens,
        filter=EntryFilter(user_id=caller.narrow(body.user_id)),
        deepens=body.top_k is None,
    )
    found = await find(service, parts, query)
    return RetrieveOut.model_construct(results=[HitOut.of_hit(hit) for hit in found.hits])


async def find(service: Service, parts: Parts, query: Query) -> Retrieved:
    """What answers a query. Raises `OverloadedError` if too many searches are in progress."""
    if parts.retriever is None:
        raise NotReadyError("this pod ingests only; ask a retrieval pod")
    if service.searches >= CONCURRENT_REQUESTS_MAX:
        raise OverloadedError(f"{service.searches} searches are in progress; try again")
    service.searches += 1
    try:
        with service.metrics.retrieve_seconds.time(), tracer.start_as_current_span("retrieve") as span:
            found = await parts.retriever.retrieve(query)
            if found.degraded:
                service.metrics.degraded_searches_total.labels(found.degraded).inc()
            span.set_attributes({"simplemem.hits": len(found.hits), "simplemem.context_tokens": found.context_tokens})
        if parts.used is not None:
            parts.used.note(hit.entry.entry_id for hit in found.hits)
        return found
    finally:
        service.searches -= 1

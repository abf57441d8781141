"""Probes and metrics; open to all, since they tell nothing that was remembered."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from simplemem_service.api.context import ServiceOf
from simplemem_service.api.examples import READINESS

router = APIRouter()


@router.get(
    "/livez",
    tags=["health"],
    summary="Whether the process runs",
    responses={200: {"content": {"application/json": {"example": {"alive": True}}}}},
)
async def livez() -> dict[str, bool]:
    """Answered from the first moment, also while a model loads."""
    return {"alive": True}


@router.get(
    "/readyz",
    tags=["health"],
    summary="Whether requests should come here",
    responses={
        200: {"content": {"application/json": {"example": READINESS}}},
        503: {"description": "Not ready; the checks say why", "content": {"application/json": {}}},
    },
)
async def readyz(service: ServiceOf) -> JSONResponse:
    """503 with the reasons until storage, model and views are ready."""
    report = service.health.report() | {"figures": service.figures()}
    return JSONResponse(report, 200 if service.health.is_ready else 503)


@router.get(
    "/metrics",
    tags=["health"],
    summary="Metrics in Prometheus' form",
    response_class=PlainTextResponse,
)
async def metrics(service: ServiceOf) -> Response:
    """All names begin with simplemem_."""
    return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)

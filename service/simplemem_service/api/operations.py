"""What became of accepted turns."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter

from simplemem_service.api.context import Caller, PartsOf, ServiceOf
from simplemem_service.api.schemas import OperationOut
from simplemem_service.lifecycle import Service
from simplemem_service.models.operation import OperationState, OperationStatus
from simplemem_service.parts import Parts

router = APIRouter(tags=["remember"])


@router.get("/v1/operations/{operation_id}", summary="How far an operation has come")
async def get_operation(operation_id: str, service: ServiceOf, parts: PartsOf, _caller: Caller) -> OperationOut:
    """Succeeded means that a search through this address finds the entries."""
    status = await read_status(service, parts, operation_id)
    result = status.result
    return OperationOut(
        operation_id=operation_id,
        state=status.state,
        turns=status.turns,
        entries=result.entries if result else 0,
        dropped=result.dropped if result else 0,
        error=(result.error or None) if result else None,
    )


async def read_status(service: Service, parts: Parts, operation_id: str) -> OperationStatus:
    """The operation, Running until this pod's views have caught up with what it wrote."""
    status = await parts.journal.read_operation(operation_id)
    if status.result is not None and not status.result.error and status.result.version > service.index_version:
        service.hurry()
        return replace(status, state=OperationState.RUNNING)
    return status

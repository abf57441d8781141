"""What a route works with: the running service, and who calls.

The functions are async although they wait for nothing, since FastAPI runs others in a thread each.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from simplemem_service.errors import NotReadyError
from simplemem_service.lifecycle import Service
from simplemem_service.parts import Parts


async def service_of(request: Request) -> Service:
    """The service of this process, ready or not."""
    service: Service = request.app.state.service
    return service


async def parts_of(request: Request) -> Parts:
    """The parts of a service that has started. Raises `NotReadyError`."""
    service = await service_of(request)
    if service.parts is None or not service.health.is_open:
        raise NotReadyError(f"the service is starting: {service.health.explain()}")
    return service.parts


async def caller_of(request: Request) -> str:
    """Name of the token's owner. Raises `UnauthorizedError`."""
    return (await service_of(request)).tokens.authorise(request.headers.get("authorization"))


ServiceOf = Annotated[Service, Depends(service_of)]
PartsOf = Annotated[Parts, Depends(parts_of)]
Caller = Annotated[str, Depends(caller_of)]

"""What a route works with: the running service, and who calls with which rights.

The functions are async although they wait for nothing, since FastAPI runs others in a thread each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from simplemem_service.api import access
from simplemem_service.errors import NotReadyError
from simplemem_service.lifecycle import Service
from simplemem_service.parts import Parts


async def service_of(request: Request) -> Service:
    """The service of this process, ready or not."""
    service: Service = request.app.state.service
    return service


async def caller_of(request: Request) -> access.Caller:
    """The token's owner. Raises `UnauthorizedError` or `RateLimitedError`."""
    return (await service_of(request)).tokens.authorise(request.headers.get("authorization"))


def parts_of(service: Service) -> Parts:
    """The parts of a service that has started. Raises `NotReadyError`."""
    if service.parts is None or not service.health.is_open:
        raise NotReadyError(f"the service is starting: {service.health.explain()}")
    return service.parts


async def _parts(request: Request, _caller: Annotated[access.Caller, Depends(caller_of)]) -> Parts:
    # After the caller, so that strangers learn nothing of the service's state.
    return parts_of(await service_of(request))


def _requiring(scope: access.Scope) -> Callable[[access.Caller], Awaitable[access.Caller]]:
    async def check(caller: Annotated[access.Caller, Depends(caller_of)]) -> access.Caller:
        caller.require(scope)
        return caller

    return check


ServiceOf = Annotated[Service, Depends(service_of)]
PartsOf = Annotated[Parts, Depends(_parts)]
Anybody = Annotated[access.Caller, Depends(caller_of)]
"""A caller with any good token."""
Reader = Annotated[access.Caller, Depends(_requiring(access.Scope.READ))]
"""A caller that may read."""
Writer = Annotated[access.Caller, Depends(_requiring(access.Scope.WRITE))]
"""A caller that may change."""

"""The application: a function, so that each test gets a fresh one; its lifespan opens and closes the service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.routing import Route

from simplemem_service.api import (
    backup,
    changes,
    compress,
    embeddings,
    export,
    health,
    import_lines,
    memories,
    operations,
    reembed,
    retrieve,
    status,
    viewer,
)
from simplemem_service.api.mcp_gateway import McpGateway
from simplemem_service.api.middleware import BodyLimitMiddleware, RequestIdMiddleware
from simplemem_service.api.openapi import add_description
from simplemem_service.api.problem_schema import COMMON
from simplemem_service.api.problems import add_handlers
from simplemem_service.config import Config, Role
from simplemem_service.console.files import build_routes
from simplemem_service.lifecycle import Service

DESCRIPTION = "Remembers conversations as self-contained entries and finds them by meaning, words and metadata."


def create_app(config: Config) -> FastAPI:
    """The application of a process; its service starts with the lifespan."""
    service = Service(config)
    gateway = McpGateway(service) if config.role.serves else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        if gateway is not None:
            gateway.start()
        yield
        if gateway is not None:
            await gateway.stop()
        await service.stop()

    app = FastAPI(
        title="SimpleMem", version="1", description=DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.service = service
    add_handlers(app)
    # The last one added is the first one passed, so that the body limit's answer has a request id.
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(RequestIdMiddleware)
    app.include_router(health.router)
    app.router.routes.extend(viewer.build_routes())
    if config.role.serves:
        for module in (
            compress,
            operations,
            retrieve,
            memories,
            status,
            changes,
            reembed,
            export,
            import_lines,
            backup,
        ):
            app.include_router(module.router, responses=COMMON)
        app.router.routes.extend(build_routes())
    if gateway is not None:
        # A route and no mount, which would redirect /mcp to /mcp/.
        app.router.routes.append(Route("/mcp", gateway))
    if config.role is Role.EMBEDDING:
        app.include_router(embeddings.router, responses=COMMON)
    add_description(app)
    return app

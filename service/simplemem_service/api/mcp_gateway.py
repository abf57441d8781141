"""/mcp: the door of the MCP server: tokens are checked here, and its life is tied to the process's.

The SDK takes a second to import, so that happens in a thread after the start; until then the answer is 503. Each
request stands alone (no sessions), so any number of replicas can share the address.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from simplemem_service.errors import NotReadyError
from simplemem_service.lifecycle import Service

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

logger = logging.getLogger(__name__)


class McpGateway:
    """An ASGI application that speaks MCP over streamable HTTP.

    Parameters
    ----------
    service
        The service of this process.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._manager: StreamableHTTPSessionManager | None = None
        self._stopping = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to start; returns at once."""
        self._running = asyncio.create_task(self._run())
        self._running.add_done_callback(_tell_death)

    async def stop(self) -> None:
        """End; requests in progress are cut off."""
        self._stopping.set()
        if self._running is not None:
            await asyncio.wait([self._running])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request of a good token on, with the caller in its state."""
        headers = dict(scope["headers"])
        given = headers.get(b"authorization")
        caller = self._service.tokens.authorise(given.decode("latin-1") if given is not None else None)
        if self._manager is None:
            raise NotReadyError("the MCP server is starting")
        scope.setdefault("state", {})["caller"] = caller
        await self._manager.handle_request(scope, receive, send)

    async def _run(self) -> None:
        manager = await asyncio.to_thread(self._create)
        # Entered and left in one task, as its cancel scopes ask for.
        async with manager.run():
            self._manager = manager
            await self._stopping.wait()
            self._manager = None

    def _create(self) -> StreamableHTTPSessionManager:
        from simplemem_service.api.mcp_tools import create_manager

        return create_manager(self._service)


def _tell_death(task: asyncio.Task[None]) -> None:
    """Log why the MCP server ended, where it was not asked to: the API goes on without it."""
    if not task.cancelled() and task.exception() is not None:
        logger.error("MCP server died", exc_info=task.exception())

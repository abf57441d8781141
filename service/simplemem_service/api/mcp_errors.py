"""Errors of the MCP server's tools, as agents read them.

A tool that fails has a result (`isError`) whose text is `CODE: what was found and what must hold`, with the codes of
the API, and whose structured content is `code`, `detail`, `field` and `request_id`. The SDK alone would put words of
its own in front of ours, and hide which error it was.
"""

from __future__ import annotations

import logging
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, InputRequiredResult, TextContent
from pydantic import ValidationError
from typing_extensions import override

from simplemem_service.api.middleware import request_id_of
from simplemem_service.api.problems import describe_invalid
from simplemem_service.errors import InvalidInputError, NotFoundError, ServiceError

logger = logging.getLogger(__name__)

UNFORESEEN = "the service failed; its log tells more under the request id"
"""What is told of an error that is nobody's business but ours."""


class ToolServer(MCPServer[Any]):
    """An MCP server whose tools fail with the codes of the API."""

    @override
    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; an error is a result."""
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            request = context.request_context.request if context is not None else None
            request_id = request_id_of(request.scope) if request is not None else ""
            return _result(_problem_of(name, error, request_id) | {"request_id": request_id})


def _problem_of(name: str, error: ToolError, request_id: str) -> dict[str, str | None]:
    """Code, detail and field of an error; what the SDK raises has the error of the tool as its cause."""
    match error.__cause__:
        case ServiceError() as cause:
            field = cause.field if isinstance(cause, InvalidInputError) else None
            return {"code": cause.code, "detail": str(cause), "field": field}
        case ValidationError() as cause:
            found = [{**detail, "loc": ("body", *detail["loc"])} for detail in cause.errors()]
            return {"code": InvalidInputError.code, **describe_invalid(found)[0]}
        case None:
            return {"code": NotFoundError.code, "detail": str(error), "field": None}
        case cause:
            logger.error("tool failed", exc_info=cause, extra={"tool": name, "request_id": request_id})
            return {"code": ServiceError.code, "detail": UNFORESEEN, "field": None}


def _result(problem: dict[str, str | None]) -> CallToolResult:
    text = f"{problem['code']}: {problem['detail']}"
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=dict(problem), is_error=True
    )

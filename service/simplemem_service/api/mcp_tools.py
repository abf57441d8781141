"""The MCP server's tools: the routes of the API under the names that agents know.

Each tool makes one call of a route, with the same scopes, bounds and errors (`mcp_errors.py`). Import this module late:
the SDK takes a second.
"""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import ToolAnnotations
from pydantic import Field
from starlette.responses import Response

from simplemem_service.api.access import Caller, Scope
from simplemem_service.api.change_schemas import OperationOut
from simplemem_service.api.changes import erase_user
from simplemem_service.api.compress import post_turns
from simplemem_service.api.context import parts_of
from simplemem_service.api.mcp_errors import ToolServer
from simplemem_service.api.operations import Change
from simplemem_service.api.retrieve import search
from simplemem_service.api.schemas import FilterIn, Id, Question, SearchIn, Time, TopK, TurnIn, TurnsIn
from simplemem_service.api.status import read_store_status
from simplemem_service.constants import CONTEXT_MAX_TOKENS, DEFAULT_SESSION, TEXT_MAX_CHARS, TURNS_MAX
from simplemem_service.errors import InvalidInputError
from simplemem_service.lifecycle import Service

INSTRUCTIONS = (
    "Long-term memory of conversations. Add what is said with memory_add or memory_add_batch; ask with memory_query "
    "for a text that fits into a prompt, or with memory_retrieve for the memories themselves. Name the user whose "
    "memory it is in user_id, unless the token is bound to one."
)
User = Annotated[Id | None, Field(description="Whose memory; none: the token's user, or everybody's for questions.")]
Session = Annotated[Id, Field(description="Which conversation.")]
Waits = Annotated[bool, Field(description="Answer once it can be found, instead of once it is durable.")]
Words = Annotated[str, Field(min_length=1, max_length=TEXT_MAX_CHARS, description="What was said.")]
Told = Annotated[Time | None, Field(description="When it was said, ISO 8601.")]
Tokens = Annotated[int | None, Field(ge=1, le=CONTEXT_MAX_TOKENS, description="Longest text, in tokens.")]
Turns = Annotated[list[TurnIn], Field(min_length=1, max_length=TURNS_MAX, description="What was said, in order.")]

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
CLEARS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


def create_manager(service: Service) -> StreamableHTTPSessionManager:
    """The MCP server of a process, behind streamable HTTP without sessions."""
    server = ToolServer(name="simplemem", title="SimpleMem", instructions=INSTRUCTIONS, version="1")
    tools = MemoryTools(service)
    for tool, notes in (
        (tools.memory_add, ADDS),
        (tools.memory_add_batch, ADDS),
        (tools.memory_query, READS),
        (tools.memory_retrieve, READS),
        (tools.memory_clear, CLEARS),
        (tools.memory_stats, READS),
    ):
        server.add_tool(tool, annotations=notes)
    # Names of hosts are the cluster's business, and a token is asked for before.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    server.streamable_http_app(stateless_http=True, json_response=True, transport_security=security)
    return server.session_manager


class MemoryTools:
    """The tools, each a method.

    Parameters
    ----------
    service
        The service of this process.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def memory_add(
        self,
        ctx: Context[Any, Any],
        *,
        text: Words,
        speaker: Id = "user",
        user_id: User = None,
        session_id: Session = DEFAULT_SESSION,
        timestamp: Told = None,
        wait: Waits = True,
    ) -> dict[str, Any]:
        """Remember one thing that was said."""
        return await self.memory_add_batch(
            ctx,
            turns=[TurnIn(speaker=speaker, text=text, timestamp=timestamp)],
            user_id=user_id,
            session_id=session_id,
            wait=wait,
        )

    async def memory_add_batch(
        self,
        ctx: Context[Any, Any],
        *,
        turns: Turns,
        user_id: User = None,
        session_id: Session = DEFAULT_SESSION,
        wait: Waits = True,
    ) -> dict[str, Any]:
        """Remember turns of a conversation, in order."""
        caller = _caller(ctx, Scope.WRITE)
        parts = parts_of(self._service)
        body = TurnsIn(user_id=user_id, session_id=session_id, turns=turns)
        accepted = await post_turns(caller, body, self._service, parts)
        change = Change(caller, self._service, parts, Response(), wait)
        return _fields(await change.answer(accepted.operation_id))

    async def memory_query(
        self,
        ctx: Context[Any, Any],
        *,
        query: Question,
        user_id: User = None,
        max_tokens: Tokens = None,
        top_k: TopK | None = None,
    ) -> dict[str, Any]:
        """What is remembered about a question, as one text that fits into a prompt."""
        body = SearchIn(query=query, top_k=top_k, max_tokens=max_tokens, filter=FilterIn(user_id=user_id))
        found = await search(_caller(ctx, Scope.READ), body, self._service, parts_of(self._service))
        return {"context": found.context, "context_tokens": found.context_tokens, "results": len(found.results)}

    async def memory_retrieve(
        self,
        ctx: Context[Any, Any],
        *,
        query: Question,
        top_k: TopK | None = None,
        filter: FilterIn | None = None,  # noqa: A002 - its name in the API
        user_id: User = None,
    ) -> dict[str, Any]:
        """The memories that answer a question, best first, with their sources and scores."""
        where = filter or FilterIn()
        if user_id is not None:
            where = where.model_copy(update={"user_id": user_id})
        body = SearchIn(query=query, top_k=top_k, filter=where)
        found = await search(_caller(ctx, Scope.READ), body, self._service, parts_of(self._service))
        return {"results": [result.model_dump(mode="json") for result in found.results]}

    async def memory_clear(self, ctx: Context[Any, Any], *, user_id: User = None, wait: Waits = True) -> dict[str, Any]:
        """Erase everything that is remembered of a user; the receipt says when it is physical."""
        caller = _caller(ctx, Scope.WRITE)
        owner = caller.narrow(user_id)
        if owner is None:
            raise InvalidInputError("user_id", "user_id: required, and missing")
        change = Change(caller, self._service, parts_of(self._service), Response(), wait)
        return _fields(await erase_user(change, owner))

    async def memory_stats(self, ctx: Context[Any, Any]) -> dict[str, Any]:
        """How much is remembered, by which model, and how far behind the store is."""
        caller = _caller(ctx, Scope.READ)
        status = await read_store_status(caller, self._service, parts_of(self._service))
        return status.model_dump(mode="json")


def _request(ctx: Context[Any, Any]) -> Any:
    return ctx.request_context.request


def _caller(ctx: Context[Any, Any], scope: Scope) -> Caller:
    caller: Caller = _request(ctx).state.caller
    caller.require(scope)
    return caller


def _fields(operation: OperationOut) -> dict[str, Any]:
    return operation.model_dump(mode="json", include=set(OperationOut.model_fields))

"""What every request passes: a request id, and a limit on its body that holds while it streams."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simplemem_service.constants import BODY_MAX_BYTES
from simplemem_service.telemetry import current_request_id

REQUEST_ID = "x-request-id"
STREAMED = frozenset({"/v1/import"})
"""Paths whose bodies may be of any size, since they are never held as a whole."""
_WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id_of(scope: Mapping[str, Any]) -> str:
    """The id of a request."""
    return str(scope.get("state", {}).get("request_id", ""))


class RequestIdMiddleware:
    """Gives every request an id, the caller's own if it is well-formed, and returns it in X-Request-ID."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request with its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _WELL_FORMED.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        # Never taken back: the server runs each request in a context of its own, and its last words need the id too.
        current_request_id.set(request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


class BodyLimitMiddleware:
    """Refuses a body above the limit with 413: by its declared length, else as soon as it has grown too long.

    FastAPI's own limit (`max_body_size`) answers a declared length in plain text instead of as a problem.
    """

    def __init__(self, app: ASGIApp, limit: int = BODY_MAX_BYTES) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request whose body is counted."""
        if scope["type"] != "http" or scope["path"] in STREAMED:
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        too_large = HTTPException(413, f"the body must be at most {self._limit} bytes")
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            # Raised where the route reads its body, so that the answer takes the usual way.
            if declared.isdigit() and int(declared) > self._limit:
                raise too_large
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise too_large
            return message

        await self._app(scope, counted, send)

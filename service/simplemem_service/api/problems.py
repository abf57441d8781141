"""Errors as application/problem+json: one shape for all of them.

`code` is stable and for programs, `detail` says what was found and what must hold, `field` names the wrong field.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from simplemem_service import errors
from simplemem_service.api.middleware import REQUEST_ID, request_id_of
from simplemem_service.constants import RETRY_AFTER_SECONDS

logger = logging.getLogger(__name__)

STATUS_BY_ERROR: tuple[tuple[type[errors.ServiceError], int], ...] = (
    (errors.OverloadedError, 429),
    (errors.TransientError, 503),
    (errors.ReservedUserError, 400),
    (errors.InvalidInputError, 422),
    (errors.NotFoundError, 404),
    (errors.ConflictError, 409),
    (errors.UnauthorizedError, 401),
    (errors.ForbiddenError, 403),
    (errors.OperationFailedError, 409),
    (errors.IdentityMismatchError, 503),
    (errors.ModelNotFoundError, 503),
)
"""HTTP status of an error; the first class that fits, else 500."""
CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    413: "TooLarge",
    422: "InvalidInput",
    429: "Overloaded",
    504: "Timeout",
}
"""Code of an error that the framework raises."""
TITLES = {
    400: "Bad request",
    401: "Not authorised",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Request too large",
    422: "Invalid input",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available now",
    504: "Took too long",
}
SHOWN_CHARS = 80
"""How much of a wrong value an error repeats, in characters."""


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    field: str | None = None,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """The response to an error."""
    body = {
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "code": code,
        "detail": detail,
        "field": field,
        "request_id": request_id_of(request.scope),
        **more,
    }
    # Here too, since errors that nobody foresaw are answered outside the middleware.
    headers = dict(headers or {}) | {REQUEST_ID: request_id_of(request.scope)}
    if status in (429, 503):
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    if status == 401:
        headers.setdefault("WWW-Authenticate", 'Bearer realm="simplemem"')
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def add_handlers(app: FastAPI) -> None:
    """Answer every error of the application in one shape."""
    app.add_exception_handler(errors.ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unforeseen)


async def _service_error(request: Request, error: Exception) -> JSONResponse:
    status = next((status for kind, status in STATUS_BY_ERROR if isinstance(error, kind)), 500)
    code = error.code if isinstance(error, errors.ServiceError) else "InternalError"
    field = error.field if isinstance(error, errors.InvalidInputError) else None
    headers: dict[str, str] = {}
    if isinstance(error, errors.RateLimitedError):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_seconds)))
    if status >= 500:
        fields = {"request_id": request_id_of(request.scope), "code": code, "error": str(error)}
        logger.warning("request refused", extra=fields)
    more = {"line": error.line} if isinstance(error, errors.ImportLineError) else {}
    return problem(request, status, code, str(error), field=field, headers=headers, **more)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    found = describe_invalid(error.errors() if isinstance(error, RequestValidationError) else [])
    first = found[0] if found else {"field": None, "detail": "the request is invalid"}
    return problem(request, 422, "InvalidInput", str(first["detail"]), field=first["field"], errors=found[:20])


def describe_invalid(details: Sequence[Any]) -> list[dict[str, str | None]]:
    """Field and text of each of pydantic's errors; their places begin with `body`, `query`, `path` or `header`."""
    return [{"field": _field(detail["loc"], detail["type"]), "detail": _describe(detail)} for detail in details]


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = str(error.detail) if isinstance(error, HTTPException) else ""
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return problem(request, status, CODES.get(status, "Error"), detail, headers=headers)


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    logger.error("request failed", exc_info=error, extra={"request_id": request_id_of(request.scope)})
    return problem(request, 500, "InternalError", "the service failed; its log tells more under the request id")


def _field(place: Sequence[str | int], kind: str) -> str | None:
    """The place of a wrong value as users write it: `turns[3].timestamp`."""
    if kind == "json_invalid":
        return None
    parts = place[1:] if place and place[0] in ("body", "query", "path", "header") else place
    field = ""
    for part in parts:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else part
    return field or None


def _describe(detail: dict[str, Any]) -> str:
    if detail["type"] == "json_invalid":
        return (
            f"the body is not JSON: {detail.get('ctx', {}).get('error', 'unreadable')} at character {detail['loc'][-1]}"
        )
    field = _field(detail["loc"], detail["type"])
    prefix = f"{field}: " if field else ""
    if detail["type"] == "missing":
        return f"{prefix}required, and missing" if field else "the body is missing"
    if detail["type"] == "extra_forbidden":
        return f"{prefix}no such field"
    message = (
        detail["msg"].removeprefix("Value error, ").replace("Input should", "must").replace("String should", "must")
    )
    value = detail.get("input")
    shown = "" if isinstance(value, dict | list) or value is None else f" (found {_shorten(value)})"
    return f"{prefix}{message}{shown}"


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 3] + "..."

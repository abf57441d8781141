"""The shape of errors in the description of the API."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One wrong field of a request."""

    field: str | None
    detail: str


class Problem(BaseModel):
    """An error: `code` is stable and for programs, `detail` says what was found and what must hold."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Invalid input",
                    "status": 422,
                    "code": "InvalidInput",
                    "detail": "turns[0].text: required, and missing",
                    "field": "turns[0].text",
                    "request_id": "5c1e0f6f0c6d4c9f8f0b2a7d3e4f5a6b",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None
    request_id: str
    line: int | None = None
    """Line of an import that is wrong."""
    errors: list[FieldProblem] | None = None
    """All wrong fields, at most 20."""


MEANINGS = {
    400: "The request cannot be read.",
    401: "A good bearer token is needed; the code of one that has expired is `TokenExpired`.",
    403: "The token is good, and not for this.",
    404: "There is no such thing, or not for this token.",
    409: "The request contradicts an earlier one, or the change could not be applied.",
    413: "The body is too large.",
    422: "A field is wrong; `field` names it.",
    429: "Too many requests; `Retry-After` says when to come again.",
    503: "A part of the service is not available now; `Retry-After` says when to come again.",
    504: "It took too long; what was accepted is kept.",
}
"""What each status means to a caller."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for its description."""
    return {
        status: {
            "description": MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted(statuses)
    }


COMMON = problems(400, 401, 403, 413, 422, 429, 503)
"""Errors that every route with a token may answer with."""

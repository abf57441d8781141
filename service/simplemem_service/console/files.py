"""The files of the console and the headers that fence them in.

All addresses in the page are relative, so it works under any path that a proxy puts before it, as long as that path
ends in a slash. Each file is revalidated at every load, so that a page never runs with scripts of another release.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Nothing but the page's own files and its own API: no inline script or style, no frame around it, and no text that
becomes markup, since memories hold what strangers said.
"""

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""Sent with every file; `no-cache` keeps a copy and asks whether it is still the one."""


class ConsoleFiles(StaticFiles):
    """The folder of the page; every answer carries the headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file of a path, with the headers. Raises `HTTPException` with 404 if there is none."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def build_routes() -> list[BaseRoute]:
    """The page at `/` and its files below `/console`."""
    files = ConsoleFiles(directory=Path(str(resources.files(__package__))) / "page")

    async def index(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    return [Route("/", index), Mount("/console", files)]

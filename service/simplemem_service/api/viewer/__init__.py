"""The viewer of the API's description at `/docs`: Swagger UI, served from the image instead of the internet."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI styles its parts in place; all else comes from here or not at all."""

HEADERS = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer"}
"""Sent with the page."""


def build_routes() -> list[BaseRoute]:
    """The page and what it loads, by relative addresses: it works below any path that a proxy puts before it."""
    folder = Path(str(resources.files(__package__)))

    async def show(_request: Request) -> Response:
        return FileResponse(folder / "page.html", headers=HEADERS)

    async def start(_request: Request) -> Response:
        return FileResponse(folder / "start.js")

    assets = StaticFiles(packages=[("fastapi_offline", "static")])
    return [Route("/docs", show), Route("/docs-assets/start.js", start), Mount("/docs-assets", assets)]

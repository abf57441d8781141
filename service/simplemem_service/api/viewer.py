"""The viewer of the API's description at `/docs`: Swagger UI, served from the image instead of the internet."""

from __future__ import annotations

from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Swagger UI starts by a script in the page and styles its parts in place; all else comes from here or not at all."""


async def show(_request: Request) -> Response:
    """The page; its addresses are relative, so that it works below any path that a proxy puts before it."""
    page = get_swagger_ui_html(
        title="SimpleMem API",
        openapi_url="openapi.json",
        swagger_js_url="docs-assets/swagger-ui-bundle.js",
        swagger_css_url="docs-assets/swagger-ui.css",
        swagger_favicon_url="docs-assets/favicon.png",
    )
    page.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return page


def build_routes() -> list[BaseRoute]:
    """The page and what it loads."""
    return [Route("/docs", show), Mount("/docs-assets", StaticFiles(packages=[("fastapi_offline", "static")]))]

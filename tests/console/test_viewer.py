"""The description of the API at `/docs`, in a browser that reaches nothing but the store."""

from __future__ import annotations

import httpx
import pytest

from tests.console.conftest import Below, Opener

ROUTE = "[...document.querySelectorAll('.opblock-summary-path')].some((one) => one.textContent.includes('retrieve'))"


@pytest.mark.parametrize("path", ["/", "/team-a/notes/"])
def test_the_viewer_comes_from_the_store_below_any_path(url: str, open_page: Opener, below: Below, path: str) -> None:
    proxy = below(url, path)
    page = open_page(f"{proxy.url}docs")
    page.wait(ROUTE)
    loaded = [address for address in page.requested() if not address.startswith("data:")]
    assert all(address.startswith(proxy.url) for address in loaded), loaded


def test_a_route_can_be_tried_under_a_policy_without_inline_scripts(url: str, open_page: Opener) -> None:
    policy = httpx.get(f"{url}docs").headers["content-security-policy"]
    assert "script-src 'self';" in policy
    # Swagger UI's fields have neither id nor name, which Chromium remarks upon.
    page = open_page(f"{url}docs", expected=("GenericIssue",))
    page.wait(ROUTE)
    page.click("[data-path='/v1/status']")
    page.wait("!!document.querySelector('.try-out__btn')")
    page.click(".try-out__btn")
    page.wait("!!document.querySelector('.execute')")
    page.click(".execute")
    page.wait_text(".live-responses-table", "team-a")

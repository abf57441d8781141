"""The description of the API at `/docs`, in a browser that reaches nothing but the store."""

from __future__ import annotations

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

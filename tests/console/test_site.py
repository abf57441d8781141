"""The documentation site, as `make docs` builds it: in a browser that reaches nothing but the site itself."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.browser import Browser

ROOT = Path(__file__).resolve().parents[2]


class Quiet(SimpleHTTPRequestHandler):
    """Files without a line for each."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named so by the library
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Address of the built site."""
    subprocess.run(["make", "docs"], cwd=ROOT, check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(ROOT / "build" / "site")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def test_a_reader_without_the_internet_finds_a_page_by_its_words(site: str, browser: Browser) -> None:
    page = browser.open(f"{site}index.html")
    page.wait("document.querySelector('.md-search__input') !== null")
    page.click(".md-search__input")
    page.type("MigrationRequired")
    page.wait(
        "[...document.querySelectorAll('.md-search-result__link')].some((link) => link.href.includes('conditions'))"
    )
    page.go(f"{site}docs/concepts.html")
    page.wait("[...document.images].length && [...document.images].every((image) => image.naturalWidth > 0)")
    elsewhere = [url for url in page.requested() if not url.startswith((site, "data:"))]
    assert elsewhere == []
    page.close()


@pytest.mark.parametrize("name", ["docs/reference/api", "docs/reference/commands", "crds/README", "docs/runbooks"])
def test_tables_of_the_references_are_tables(site: str, browser: Browser, name: str) -> None:
    page = browser.open(f"{site}{name.replace('README', 'index')}.html")
    page.wait("document.querySelector('article h1') !== null")
    assert "| ---" not in page.text("article")
    assert page.read("document.querySelectorAll('article h2, article h3').length") > 1
    page.close()

"""A store with memories, one that asks for tokens, and a Chromium to look at them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.console.proxy import PathProxy
from tests.support.browser import Browser, Page
from tests.support.server import Server, remember

SUPERSEDED = ("I live in Paris.", "I live in Rome now.")
LONG = 103
"""Memories of a user that need two pages."""
TOKENS = {
    "root": "root-secret\n",
    "reader": json.dumps({"token": "reader-secret", "scopes": ["read"]}),
    "lapsed": json.dumps({"token": "lapsed-secret", "expires": "2024-02-29"}),
    "alice": json.dumps({"token": "alice-secret", "scopes": ["read"], "user_id": "alice"}),
}

Opener = Callable[..., Page]
Below = Callable[[str, str], PathProxy]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """An open store and a guarded one, started side by side."""
    folder = tmp_path_factory.mktemp("console")
    tokens = folder / "tokens"
    tokens.mkdir()
    for name, content in TOKENS.items():
        (tokens / name).write_text(content)
    open_one = Server(folder / "open")
    guarded = Server(folder / "guarded", {"SIMPLEMEM_TOKENS": str(tokens)}, access={"tokenSecretName": "t"})
    both = (open_one, guarded)
    try:
        for server in both:
            server.start()
        for server in both:
            server.wait_ready()
        _fill(open_one)
        yield both
    finally:
        for server in both:
            server.kill()


def _fill(server: Server) -> None:
    with server.client() as client:
        remember(client, "ada", "My sister Eva works as a doctor in Turin.", "I bought a red bicycle for 300 euros.")
        for month, text in enumerate(SUPERSEDED, start=1):
            told = f"2026-0{month}-01T10:00:00Z"
            turn = {"id": f"moved-{month}", "speaker": "Ada", "text": text, "timestamp": told}
            body = {"user_id": "mover", "session_id": "s", "turns": [turn]}
            client.post("/v1/turns", json=body).raise_for_status()
        client.post("/v1/synthesis", json={"user_id": "mover"}, params={"wait": "true"}).raise_for_status()
        notes = [{"lossless_restatement": f"Note {number} of the long list."} for number in range(LONG)]
        body = {"user_id": "many", "session_id": "s", "entries": notes}
        client.post("/v1/entries", json=body, params={"wait": "true"}).raise_for_status()


@pytest.fixture(scope="session")
def url(servers: tuple[Server, Server]) -> str:
    """Address of the open store's page."""
    return f"{servers[0].url}/"


@pytest.fixture(scope="session")
def guarded(servers: tuple[Server, Server]) -> Server:
    """The store that asks for tokens."""
    return servers[1]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def below() -> Iterator[Below]:
    """Puts an address below a path, until the pages that ask there are closed."""
    with ExitStack() as opened:
        yield lambda target, prefix: opened.enter_context(PathProxy(target.rstrip("/"), prefix))


@pytest.fixture
def proxy(url: str, below: Below) -> PathProxy:
    """The open store below a path."""
    return below(url, "/notes/")


@pytest.fixture
def open_page(browser: Browser, below: Below) -> Iterator[Opener]:
    """Opens tabs that must not have complained of anything by the end of the test, but for what `expected` names."""
    opened: list[tuple[Page, tuple[str, ...]]] = []

    def make(url: str, expected: tuple[str, ...] = ()) -> Page:
        opened.append((browser.open(url), expected))
        return opened[-1][0]

    yield make
    complaints = [
        text for page, expected in opened for text in page.complaints() if not any(part in text for part in expected)
    ]
    for page, _ in opened:
        page.close()
    assert complaints == []


@pytest.fixture
def page(open_page: Opener, url: str) -> Page:
    """The open store's page, loaded."""
    page = open_page(url)
    page.wait_text("#store-state", "ready")
    page.wait_text("#store-name", "team-a/notes")
    return page


def remember_here(page: Page, speaker: str, text: str, *, user: str = "") -> None:
    """Fill the form of new turns and send it; without a user it stands at the default one."""
    for field, value in (("user", user), ("speaker", speaker), ("text", text)):
        page.fill(f"#remember-{field}", value)
    page.click("#remember-form button")


def fill_the_page(page: Page) -> None:
    """Bring everything to the page that it can show: results with their scores, a timeline, an operation."""
    page.fill("#query", "Where does Ada live?")
    page.press("Enter")
    page.wait_text("#search-message", "memories in")
    page.click("#search-results summary")
    page.click("#search > form summary")
    page.fill("#timeline-user", "mover")
    page.press("Enter")
    page.wait_text("#timeline-message", "1 superseded")
    remember_here(page, "Ada", "I read a book on contrast.")
    page.wait_text("#operations", "Succeeded")


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go."""
    return tmp_path

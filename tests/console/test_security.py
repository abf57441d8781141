"""Tokens stay in their tab, what strangers said stays text, and the policy holds."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.console.conftest import Below, Opener, remember_here
from tests.support.browser import Page
from tests.support.server import Server

EVIL = '<img src="x" onerror="globalThis.hacked = 1"><script>globalThis.hacked = 2</script>'
STORED = "JSON.stringify([Object.entries(localStorage), location.href])"


def _enter(page: Page, token: str) -> None:
    page.wait("document.querySelector('#token-dialog').open")
    page.type(token)
    page.press("Enter")


def test_what_strangers_said_stays_text(page: Page, url: str) -> None:
    turn = {"id": EVIL, "speaker": EVIL, "text": f"The word is {EVIL} of course."}
    body = {"user_id": EVIL, "session_id": EVIL, "turns": [turn]}
    httpx.post(f"{url}v1/turns", json=body).raise_for_status()
    page.fill("#timeline-user", EVIL)
    page.wait(
        f"fetch('v1/entries?user_id=' + encodeURIComponent({json.dumps(EVIL)}))"
        ".then((answer) => answer.json()).then((page) => page.entries.length)"
    )
    page.press("Enter")
    page.wait_text("#timeline-message", "1 memory")
    assert EVIL in page.text("#timeline-entries .text")
    page.fill("#query", EVIL)
    page.press("Enter")
    page.wait_text("#search-message", "in")
    page.wait_text("#search-results .text", EVIL)
    page.click("#search-results summary")
    assert EVIL in page.text("#search-results .sources")
    page.fill("#follow-id", "1-2-3-4.5")
    assert page.read("globalThis.hacked ?? null") is None
    assert page.read("document.querySelectorAll('main img, main script').length") == 0


def test_the_policy_refuses_markup_from_text_and_requests_elsewhere(
    open_page: Opener, url: str, guarded: Server
) -> None:
    page = open_page(url, expected=("Content", "TrustedHTML"))
    assert page.read(
        "(() => { try { document.body.innerHTML = '<b>x</b>'; return ''; } catch (error) { return error.name; } })()"
    ) == ("TypeError")
    page.read(
        "globalThis.refused = []; document.addEventListener('securitypolicyviolation',"
        " (event) => refused.push(event.effectiveDirective))"
    )
    page.read("document.querySelector('h1').setAttribute('style', 'color: red')")
    page.read(f"fetch('{guarded.url}/livez').catch(() => 0)")
    page.wait("refused.length >= 2")
    assert set(page.read("refused")) == {"style-src-attr", "connect-src"}


def test_a_token_is_asked_for_once_a_tab_and_sent_in_the_header_only(open_page: Opener, guarded: Server) -> None:
    page = open_page(f"{guarded.url}/", expected=("401",))
    _enter(page, "root-secret")
    page.wait_text("#store-name", "team-a/notes")
    page.fill("#query", "anything at all")
    page.press("Enter")
    page.wait_text("#search-message", "Nothing found.")
    page.go(f"{guarded.url}/?again")
    page.wait_text("#store-name", "team-a/notes")
    assert not page.read("document.querySelector('#token-dialog').open")
    assert "root-secret" not in page.read(STORED)
    assert "root-secret" not in " ".join(page.requested())
    assert "root-secret" not in guarded.log()
    other = open_page(f"{guarded.url}/", expected=("401",))
    other.wait("document.querySelector('#token-dialog').open")


@pytest.mark.parametrize(
    ("token", "told"),
    [("wrong-secret", "is wrong"), ("lapsed-secret", "the token of 'lapsed' expired at 2024-03-01T00:00:00Z")],
)
def test_a_token_that_is_not_good_is_refused_in_words_and_asked_for_again(
    open_page: Opener, guarded: Server, token: str, told: str
) -> None:
    page = open_page(f"{guarded.url}/", expected=("401",))
    _enter(page, token)
    page.wait_text("#token-message", told)
    assert page.read("document.querySelector('#token-value').value") == ""
    page.type("root-secret")
    page.press("Enter")
    page.wait_text("#store-name", "team-a/notes")


def test_escape_leaves_the_page_usable_without_a_token(open_page: Opener, guarded: Server) -> None:
    page = open_page(f"{guarded.url}/", expected=("401",))
    page.wait("document.querySelector('#token-dialog').open")
    page.press("Escape")
    page.wait_text("#health-message", "token")
    page.wait_text("#store-state", "ready")
    page.fill("#query", "anything at all")
    page.press("Enter")
    _enter(page, "root-secret")
    page.wait_text("#search-message", "Nothing found.")


def test_a_token_can_be_forgotten(open_page: Opener, guarded: Server) -> None:
    page = open_page(f"{guarded.url}/", expected=("401",))
    _enter(page, "root-secret")
    page.wait_text("#store-name", "team-a/notes")
    page.click("#token")
    page.click("#token-forget")
    page.wait_text("#health-message", "token")
    assert page.read("sessionStorage.length") == 0


def test_what_one_token_saw_is_gone_when_it_is_forgotten_or_changed(open_page: Opener, guarded: Server) -> None:
    page = open_page(f"{guarded.url}/", expected=("40",))
    _enter(page, "root-secret")
    page.wait_text("#memory", "Storage")
    remember_here(page, "Eve", "I keep a diary in the attic.", user="eve")
    page.wait_text("#operations", "Succeeded")
    page.fill("#query", "What does Eve keep?")
    page.press("Enter")
    page.wait_text("#search-results", "diary")
    page.fill("#timeline-user", "eve")
    page.press("Enter")
    page.wait_text("#timeline-entries", "diary")
    page.click("#token")
    page.click("#token-form .primary")
    page.wait_text("#token-message", "Type a token")
    page.type("alice-secret")
    page.press("Enter")
    page.wait("!document.querySelector('#token-dialog').open")
    page.wait_text("#memory", "Entries")
    shown = page.text("main")
    assert "diary" not in shown
    assert "Succeeded" not in shown
    assert "Storage" not in page.text("#memory")
    page.click("#token")
    page.click("#token-forget")
    page.wait_text("#health-message", "token")
    assert page.text("#memory") == ""


def test_an_answer_that_comes_after_the_token_was_forgotten_is_not_shown(
    open_page: Opener, guarded: Server, below: Below
) -> None:
    proxy = below(guarded.url, "/slow/")
    page = open_page(proxy.url, expected=("40",))
    _enter(page, "root-secret")
    page.wait_text("#store-name", "team-a/notes")
    proxy.delays["/v1/search"] = 1.5
    page.fill("#query", "anything at all")
    page.press("Enter")
    page.wait_text("#search-message", "Searching")
    page.click("#token")
    page.click("#token-forget")
    page.wait_text("#search-message", "The token was changed meanwhile.")
    assert page.text("#search-results") == ""


@pytest.mark.parametrize(("token", "shown"), [("reader-secret", True), ("alice-secret", False)])
def test_a_token_shows_what_it_may_see(open_page: Opener, guarded: Server, token: str, shown: bool) -> None:
    page = open_page(f"{guarded.url}/", expected=("40",))
    _enter(page, token)
    page.wait_text("#memory", "Entries")
    assert ("Storage" in page.text("#memory")) is shown
    remember_here(page, "Ada", "I may not write.")
    page.wait_text("#remember-message", "lacks the scope 'write'")


def test_stores_below_one_origin_do_not_share_a_token(open_page: Opener, guarded: Server, below: Below) -> None:
    page = open_page(below(guarded.url, "/one/").url, expected=("40",))
    _enter(page, "root-secret")
    page.wait_text("#store-name", "team-a/notes")
    keys = page.read("Object.keys(sessionStorage)")
    assert keys == ["simplemem-token:/one/"]

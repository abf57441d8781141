"""The console by keyboard, for screen readers, and to eyes that need contrast."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.conftest import fill_the_page
from tests.support.browser import Page

CONTROLS = {
    "button",
    "link",
    "textbox",
    "searchbox",
    "spinbutton",
    "meter",
    "progressbar",
    "Date",
    "DisclosureTriangle",
}
LOW_CONTRAST = Path(__file__).with_name("contrast.js").read_text()
FOCUSED = """(() => { const at = document.activeElement; const style = getComputedStyle(at);
  return { name: at.id || at.innerText?.trim() || at.tagName, ring: parseFloat(style.outlineWidth) || 0,
    line: style.outlineStyle }; })()"""


def test_everything_has_a_name_and_a_place_for_screen_readers(page: Page) -> None:
    fill_the_page(page)
    nodes = page.accessible()
    roles = {node["role"] for node in nodes}
    assert {"banner", "navigation", "main", "complementary", "contentinfo", "search", "status"} <= roles
    unnamed = [node for node in nodes if node["role"] in CONTROLS and not node["name"]]
    assert unnamed == []
    named = {node["name"] for node in nodes if node["role"] in CONTROLS}
    assert {"Question", "User", "Speaker", "What was said", "Operation id", "Dark theme", "dense_sentence"} <= named
    headings: list[str] = page.read("[...document.querySelectorAll('h1,h2,h3')].map((h) => h.tagName)")
    assert headings[0] == "H1"
    assert headings.count("H1") == 1
    assert page.read("document.documentElement.lang") == "en"
    assert page.read("new Set([...document.querySelectorAll('[id]')].map((e) => e.id)).size") == page.read(
        "document.querySelectorAll('[id]').length"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough_in_both_themes(page: Page, scheme: str) -> None:
    page.prefer(scheme)
    fill_the_page(page)
    page.click("#token")
    measured = page.read(LOW_CONTRAST)
    assert measured["seen"] > 60
    assert measured["bad"] == []


def test_the_keyboard_alone_suffices(page: Page) -> None:
    page.press("Tab")
    assert page.read(FOCUSED)["name"] == "Skip to the content"
    page.press("Enter")
    assert page.read("document.activeElement.id") == "main"
    page.press("Tab")
    assert page.read("document.activeElement.id") == "query"
    page.type("Where does Ada live?")
    page.press("Enter")
    page.wait_text("#search-message", "memories in")
    assert page.read("document.activeElement.id") == "query"
    for _ in range(3):
        page.press("Tab")
    assert page.read(FOCUSED)["name"] == "Scores and sources"
    page.press("Space")
    assert page.read("document.querySelector('#search-results details').open")


def test_focus_is_always_seen_and_never_caught(page: Page) -> None:
    seen: list[str] = []
    for _ in range(80):
        page.press("Tab")
        at = page.read(FOCUSED)
        if at["name"] == "Skip to the content" and seen:
            break
        if page.read("document.activeElement === document.body"):
            continue
        assert at["ring"] >= 2, at
        assert at["line"] == "solid", at
        seen.append(at["name"])
    else:
        pytest.fail(f"never came round: {seen}")
    assert seen.index("query") < seen.index("timeline-user") < seen.index("remember-text") < seen.index("follow-id")


def test_new_results_are_announced(page: Page) -> None:
    for region in ("search-message", "timeline-message", "remember-message", "health-message"):
        assert page.read(f"document.getElementById('{region}').getAttribute('role')") == "status", region
    page.read(
        "globalThis.said = []; globalThis.region = document.getElementById('search-message');"
        "new MutationObserver(() => said.push(region.innerText)).observe(region, {childList: true})"
    )
    page.fill("#query", "Who is Eva?")
    page.press("Enter")
    page.wait_text("#search-message", "memories in")
    said = page.read("said")
    assert said[0] == "Searching …"
    assert "memories in" in said[-1]

"""What a person does on the console: asks, looks back, adds, watches."""

from __future__ import annotations

import struct
from pathlib import Path

import httpx
import pytest

from tests.console.conftest import SUPERSEDED, Below, Opener, fill_the_page, remember_here
from tests.console.proxy import PathProxy
from tests.support.browser import Page

PNG_SIZE = slice(16, 24)
TOO_WIDE = """[...document.querySelectorAll('body, body *:not(.skip)')]
  .filter((at) => at.scrollWidth > at.clientWidth && at.clientWidth || at.getBoundingClientRect().right > WIDTH + .5)
  .map((at) => `${at.tagName}#${at.id}.${at.className}`)"""
"""What does not fit into its place or onto the screen; the skip link waits off the page on purpose."""


def test_a_question_shows_results_with_scores_and_sources(page: Page) -> None:
    page.fill("#query", "What does the sister of Ada do?")
    page.click("#search-form button")
    page.wait_text("#search-message", "memories in")
    assert "Eva works as a doctor" in page.text("#search-results li:first-child .text")
    assert float(page.text("#search-results li:first-child .score").removeprefix("score ")) > 0
    page.click("#search-results li:first-child summary")
    details = page.text("#search-results li:first-child details")
    assert "dense_sentence" in details
    assert "ada-0" in details
    assert float(page.read("document.querySelector('#search-results td meter').value")) > 0


def test_a_search_can_be_narrowed_to_a_user(page: Page) -> None:
    page.fill("#query", "Where does Ada live?")
    page.click("#search summary")
    page.fill("#search-user", "mover")
    page.fill("#search-top", "1")
    page.press("Enter")
    page.wait_text("#search-message", "1 memory in")
    assert "mover / s" in page.text("#search-results")
    page.click("#search-context summary")
    assert "Rome" in page.text("#search-context pre")


def test_a_search_without_a_match_says_so(page: Page) -> None:
    page.fill("#query", "anything")
    page.click("#search summary")
    page.fill("#search-user", "nobody-of-this-name")
    page.press("Enter")
    page.wait_text("#search-message", "Nothing found.")
    assert page.text("#search-results") == ""


def test_superseded_memories_are_struck_and_name_their_successor(page: Page) -> None:
    page.fill("#timeline-user", "mover")
    page.press("Enter")
    page.wait_text("#timeline-message", "2 memories, 1 superseded")
    assert SUPERSEDED[0] in page.text("#timeline-entries li:first-child s")
    assert "superseded" in page.text("#timeline-entries li:first-child .chip")
    assert SUPERSEDED[1] in page.text("#timeline-entries li:last-child .text")
    assert page.read("document.querySelector('#timeline-entries li:last-child s')") is None
    page.click("#timeline-entries button.link")
    page.wait_text("#timeline-entries li:first-child", f"Replaced by: Ada: {SUPERSEDED[1]}")


def test_a_long_timeline_comes_in_pages(page: Page) -> None:
    page.fill("#timeline-user", "many")
    page.press("Enter")
    page.wait_text("#timeline-message", "100 memories")
    page.click("#timeline-more")
    page.wait_text("#timeline-message", "103 memories")
    assert page.read("document.querySelectorAll('#timeline-entries li').length") == 103
    assert page.read("document.querySelector('#timeline-more').hidden")


def test_a_timeline_that_is_asked_for_twice_shows_each_memory_once(open_page: Opener, proxy: PathProxy) -> None:
    page = open_page(proxy.url)
    page.wait_text("#store-state", "ready")
    proxy.delays["/v1/entries"] = 0.5
    page.fill("#timeline-user", "mover")
    page.press("Enter")
    page.press("Enter")
    page.wait_text("#timeline-message", "2 memories")
    proxy.delays.clear()
    page.fill("#timeline-user", "nobody-of-this-name")
    page.press("Enter")
    page.wait_text("#timeline-message", "No memories.")
    assert page.text("#timeline-entries") == ""


def test_words_that_are_sent_twice_by_a_double_click_are_kept_once(
    open_page: Opener, url: str, proxy: PathProxy
) -> None:
    page = open_page(proxy.url)
    page.wait_text("#store-state", "ready")
    proxy.delays["/v1/turns"] = 0.5
    remember_here(page, "Dora", "I paint on Mondays.", user="dora")
    page.click("#remember-form button")
    page.wait_text("#operations", "Succeeded")
    found = httpx.get(f"{url}v1/entries", params={"user_id": "dora"}).json()["entries"]
    assert len(found) == 1


def test_results_go_with_a_question_that_fails(open_page: Opener, proxy: PathProxy) -> None:
    page = open_page(proxy.url, expected=("503",))
    page.fill("#query", "Who is Eva?")
    page.press("Enter")
    page.wait_text("#search-results", "Eva works as a doctor")
    proxy.answers["/v1/search"] = (503, {"code": "NotReady", "detail": "the index is being built"})
    page.fill("#query", "Where does Ada live?")
    page.press("Enter")
    page.wait_text("#search-message", "the index is being built")
    assert page.text("#search-results") == ""


def test_a_search_without_the_meaning_says_so(open_page: Opener, url: str, proxy: PathProxy) -> None:
    page = open_page(proxy.url)
    page.wait_text("#store-state", "ready")
    body = {"query": "Who is Eva?", "filter": {"user_id": "ada"}}
    found = httpx.post(f"{url}v1/search", json=body).json()
    proxy.answers["/v1/search"] = (200, found | {"degraded": "EmbeddingUnavailable"})
    page.fill("#query", "Who is Eva?")
    page.press("Enter")
    page.wait_text("#search-message", "by words, people and dates alone")
    assert "Eva works as a doctor" in page.text("#search-results")


def test_an_operation_is_followed_through_a_restart(open_page: Opener, url: str, proxy: PathProxy) -> None:
    page = open_page(proxy.url, expected=("503",))
    page.wait_text("#store-state", "ready")
    turns = {"user_id": "finn", "turns": [{"speaker": "Finn", "text": "I collect stamps."}]}
    operation = httpx.post(f"{url}v1/turns", json=turns).json()["operation_id"]
    proxy.answers[f"/v1/operations/{operation}"] = (503, {"code": "NotReady", "detail": "starting"})
    page.fill("#follow-id", operation)
    page.press("Enter")
    page.wait_text("#operations .error", "starting Asked again.")
    proxy.answers.clear()
    page.wait_text("#operations", "Succeeded")


def test_what_is_remembered_here_is_followed_until_it_can_be_found(page: Page) -> None:
    before = page.wait("Number(document.querySelector('#memory dd').innerText.replace(',', ''))")
    remember_here(page, "Ben", "I keep bees behind the old mill.", user="ben")
    page.wait_text("#operations", "Succeeded")
    assert "1 turn, 1 entry" in page.text("#operations")
    assert page.read("document.querySelector('#operations progress').value") == 1
    page.fill("#query", "Who keeps bees?")
    page.press("Enter")
    page.wait_text("#search-results", "behind the old mill")
    page.wait(f"Number(document.querySelector('#memory dd').innerText.replace(',', '')) === {before + 1}")


def test_an_operation_can_be_followed_by_its_id(page: Page, url: str) -> None:
    turns = {"user_id": "cleo", "turns": [{"speaker": "Cleo", "text": "I sail on Sundays."}]}
    operation = httpx.post(f"{url}v1/turns", json=turns).json()["operation_id"]
    page.fill("#follow-id", operation)
    page.press("Enter")
    page.wait_text("#operations", "Succeeded")
    assert operation in page.text("#operations code")


def test_an_unknown_operation_is_explained(open_page: Opener, url: str) -> None:
    page = open_page(url, expected=("404",))
    page.fill("#follow-id", "no-such-operation")
    page.press("Enter")
    page.wait_text("#operations .error", "'no-such-operation' does not exist")


def test_the_column_shows_queue_index_checks_and_cost(page: Page) -> None:
    page.wait_text("#health", "Turns waiting")
    shown = page.text("#health")
    for part in (
        "Not searchable yet",
        "all-MiniLM-L6-v2, 384 numbers",
        "Language models, this month",
        "$32.84",
        "Tier fits",
    ):
        assert part in shown, part
    assert page.read("[...document.querySelectorAll('#checks .good')].length") >= 4


@pytest.mark.parametrize(("width", "columns"), [(1280, 2), (390, 1), (320, 1)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_full_page_fits_its_width_in_both_themes(
    page: Page, shots: Path, width: int, columns: int, scheme: str
) -> None:
    page.resize(width, 844)
    page.prefer(scheme)
    fill_the_page(page)
    page.wait_text("#cost", "$32.84")
    assert page.read(TOO_WIDE.replace("WIDTH", str(width))) == []
    page.click("#token")
    assert page.read(TOO_WIDE.replace("WIDTH", str(width))) == []
    assert page.read("document.querySelector('#token-dialog').open")
    tracks = page.read("getComputedStyle(document.querySelector('main')).gridTemplateColumns")
    assert len(tracks.split(" ")) == columns
    picture = page.screenshot(shots / "page.png")
    assert struct.unpack(">II", picture[PNG_SIZE]) == (width, 844)
    ground = page.read("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in ground[4:-1].split(",")) > 384) is (scheme == "light")


def test_the_chosen_theme_outlives_a_reload(page: Page, url: str) -> None:
    page.prefer("light")
    page.click("#theme")
    assert page.read("document.querySelector('#theme').getAttribute('aria-pressed')") == "true"
    page.go(url)
    assert page.read("document.documentElement.dataset.theme") == "dark"
    page.click("#theme")
    assert page.read("getComputedStyle(document.documentElement).colorScheme") == "light"


def test_the_page_works_below_a_path(open_page: Opener, url: str, below: Below) -> None:
    proxy = below(url, "/team-a/notes/")
    page = open_page(proxy.url)
    page.wait_text("#store-state", "ready")
    page.fill("#query", "Who is Eva?")
    page.press("Enter")
    page.wait_text("#search-results", "Eva works as a doctor")
    loaded = [address for address in page.requested() if not address.startswith("data:")]
    assert loaded
    assert all(address.startswith(proxy.url) for address in loaded), loaded


def test_a_store_that_is_gone_is_shown_as_unreachable_and_found_again(open_page: Opener, url: str) -> None:
    proxy = PathProxy(url.rstrip("/"), "/notes/")
    with proxy:
        page = open_page(proxy.url, expected=("net::ERR_",))
        page.wait_text("#store-state", "ready")
    page.read("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_text("#store-state", "unreachable")
    page.wait_text("#health-message", "does not answer")
    page.fill("#query", "Who is Eva?")
    page.press("Enter")
    page.wait_text("#search-message", "The store does not answer.")

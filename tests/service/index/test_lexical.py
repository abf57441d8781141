"""The lexical view: what holds for both engines."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simplemem_service.errors import IndexBrokenError
from simplemem_service.index.analysis import bigrams, tokenize
from simplemem_service.index.base import BIGRAMS, CONTEXT, LexicalView, Scope
from simplemem_service.index.neighbourhood import Document
from simplemem_service.index.rank_bm25_index import RankBm25Index
from simplemem_service.index.tantivy_index import TantivyIndex
from simplemem_service.models.entry import EmbeddedEntry
from simplemem_service.storage.entry_rows import batch_of
from tests.support.entries import make_entry

TEXTS = [
    "The cat sat on the mat",
    "A dog chased the cat",
    "Stocks fell sharply today",
    "The half marathon went well",
    "Half of the marathon runners left",
]
ADA = Scope("ada")


@pytest.fixture(params=[TantivyIndex, RankBm25Index])
def view(request: pytest.FixtureRequest) -> LexicalView:
    make: Callable[[], LexicalView] = request.param
    return make()


def rows(user: str = "ada", first: int = 0) -> list[EmbeddedEntry]:
    """One session each, so that nothing is anything's neighbour."""
    return [
        make_entry(first + place, text=text, user_id=user, session_id=f"{user}-{place}", speaker="")
        for place, text in enumerate(TEXTS)
    ]


def search(view: LexicalView, text: str, scope: Scope = ADA, field: str = CONTEXT, limit: int = 10) -> list[str]:
    terms = tokenize(text)
    found = view.snapshot().search(field, terms if field == CONTEXT else bigrams(terms), scope, limit)
    return [entry_id.removeprefix("entry-").lstrip("0") or "0" for entry_id in found]


def test_entries_with_the_words_are_found_best_first(view: LexicalView) -> None:
    view.apply(rows(), [])
    assert search(view, "cat mat")[0] == "0"
    assert set(search(view, "cat")) == {"0", "1"}
    assert search(view, "giraffe") == []
    assert search(view, "") == []


def test_bigrams_tell_phrases_from_words(view: LexicalView) -> None:
    view.apply(rows(), [])
    assert set(search(view, "half marathon")) == {"3", "4"}
    assert search(view, "half marathon", field=BIGRAMS) == ["3"]


def test_at_most_the_limit_is_found(view: LexicalView) -> None:
    view.apply(rows(), [])
    assert len(search(view, "the", limit=2)) == 2
    assert search(view, "the", limit=0) == []


def test_scores_of_given_entries_are_those_of_the_search(view: LexicalView) -> None:
    view.apply(rows(), [])
    snapshot = view.snapshot()
    found = snapshot.search(CONTEXT, ("cat", "mat"), ADA, 10)
    again = snapshot.scores(CONTEXT, ("cat", "mat"), ADA, ["entry-000001", "entry-000000", "entry-000002", "nothing"])
    assert again == pytest.approx(found)


def test_a_user_sees_the_own_entries_only(view: LexicalView) -> None:
    view.apply(rows() + rows("ben", 10), [])
    assert set(search(view, "cat")) == {"0", "1"}
    assert set(search(view, "cat", Scope("ben"))) == {"10", "11"}
    assert set(search(view, "cat", Scope())) == {"0", "1", "10", "11"}
    assert search(view, "cat", Scope("nobody")) == []


def test_a_search_can_be_limited_to_given_entries(view: LexicalView) -> None:
    view.apply(rows(), [])
    assert search(view, "cat", Scope("ada", np.array([1, 2]))) == ["1"]
    assert search(view, "cat", Scope("ada", np.empty(0, np.int64))) == []


def test_rewritten_and_deleted_entries_are_followed(view: LexicalView) -> None:
    view.apply(rows(), [])
    view.apply([make_entry(0, text="A bird", session_id="ada-0", speaker="")], ["entry-000001"])
    assert search(view, "cat") == []
    assert search(view, "bird") == ["0"]
    view.apply([], ["entry-000000", "nothing"])
    assert search(view, "bird") == []


def test_an_entry_may_move_to_another_place(view: LexicalView) -> None:
    view.apply(rows(), [])
    moved = make_entry(77, text="A bird", session_id="ada-0", speaker="")
    view.apply([replace(moved, entry=replace(moved.entry, entry_id="entry-000000"))], [])
    assert search(view, "mat") == []
    assert search(view, "bird") == ["0"]


def test_a_snapshot_stays_as_it_was(view: LexicalView) -> None:
    view.apply(rows(), [])
    before = view.snapshot()
    view.apply([make_entry(9, text="Another cat", session_id="new", speaker="")], [])
    assert len(before.search(CONTEXT, ("cat",), ADA, 10)) == 2
    assert len(view.snapshot().search(CONTEXT, ("cat",), ADA, 10)) == 3


def test_a_reset_view_is_empty_and_can_be_filled_again(view: LexicalView) -> None:
    view.apply(rows(), [])
    view.reset()
    assert search(view, "cat") == []
    view.apply(rows(), [])
    assert set(search(view, "cat")) == {"0", "1"}


def test_a_word_of_the_neighbours_finds_an_entry_too(view: LexicalView) -> None:
    view.apply([make_entry(0, text="Which cat?", speaker=""), make_entry(1, text="Tomorrow", speaker="")], [])
    assert search(view, "cat") == ["0", "1"]


def test_entries_without_any_word_are_kept(view: LexicalView) -> None:
    view.apply([make_entry(0, text="?!", speaker="")], [])
    assert search(view, "cat") == []


@pytest.mark.parametrize("user", ["a b", "üñ", 'x" OR "y', "*", "a" * 1000])
def test_any_user_id_is_data(view: LexicalView, user: str) -> None:
    view.apply(rows() + rows(user, 10), [])
    assert set(search(view, "cat", Scope(user))) == {"10", "11"}


def test_searches_run_while_entries_are_written(view: LexicalView) -> None:
    view.apply(rows(), [])
    done = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                assert {"0", "1"} <= set(search(view, "cat", limit=100))
        except BaseException as error:  # noqa: BLE001 - carried to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for place in range(20, 60):
        view.apply([make_entry(place, text="one more cat", speaker="", session_id=f"s{place}")], [])
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(search(view, "cat", limit=100)) == 42


def load(view: LexicalView, entries: list[EmbeddedEntry]) -> None:
    view.begin_load()
    for place in range(0, len(entries), 2):
        view.load(batch_of(entries[place : place + 2]))
    view.end_load()


def test_a_loaded_table_is_all_there_is_once_it_is_complete(view: LexicalView) -> None:
    view.apply(rows("ben", 10), [])
    before = view.snapshot()
    view.begin_load()
    view.load(batch_of(rows()))
    assert search(view, "cat") == []
    view.end_load()
    assert set(search(view, "cat")) == {"0", "1"}
    assert search(view, "cat", Scope("ben")) == []
    assert set(before.search(CONTEXT, ("cat",), Scope(), 10)) <= {"entry-000010", "entry-000011"}


class CountingIndex(TantivyIndex):
    """Counts the documents it writes."""

    written = 0

    def _write(self, documents: Iterable[Document], replaced: Sequence[int]) -> None:
        listed = list(documents)
        self.written += len(listed)
        super()._write(listed, replaced)


def test_an_index_on_disk_is_found_again_and_only_differences_are_written(tmp_path: Path) -> None:
    entries = [make_entry(place, text=f"word{place} cat") for place in range(40)]
    first = CountingIndex(tmp_path / "index")
    load(first, entries)
    assert first.written == 40
    del first
    entries[20] = make_entry(20, text="A bird")
    again = CountingIndex(tmp_path / "index")
    load(again, [*entries[:30], *entries[31:]])
    # The changed entry and its neighbours (18 to 22), and those of the one that is gone (28, 29, 31, 32).
    assert again.written == 9
    assert search(again, "bird")[0] == "20"
    assert len(search(again, "cat", limit=100)) == 39
    assert "30" not in search(again, "word30", limit=100)


def test_an_index_that_cannot_be_read_is_built_anew(tmp_path: Path) -> None:
    old = TantivyIndex(tmp_path / "index")
    load(old, rows())
    del old
    (meta,) = (tmp_path / "index").glob("*/meta.json")
    meta.write_text("garbage")
    view = TantivyIndex(tmp_path / "index")
    load(view, rows())
    assert set(search(view, "cat")) == {"0", "1"}


def test_a_folder_that_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    first, second = TantivyIndex(tmp_path / "index"), TantivyIndex(tmp_path / "index")
    load(second, rows())
    load(first, rows("ben", 10))
    assert set(search(second, "cat")) == {"0", "1"}
    assert set(search(first, "cat", Scope())) == {"10", "11"}


def test_an_index_of_another_layout_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "index" / "0-old").mkdir(parents=True)
    load(TantivyIndex(tmp_path / "index"), rows())
    assert [path.name == "0-old" for path in (tmp_path / "index").iterdir()] == [False]


def test_a_lost_folder_is_reported_as_a_broken_index(tmp_path: Path) -> None:
    view = TantivyIndex(tmp_path / "index")
    view.apply(rows(), [])
    shutil.rmtree(tmp_path / "index")
    (tmp_path / "index").write_text("in the way")
    with pytest.raises(IndexBrokenError, match="rebuilt"):
        view.apply(rows("ben", 10), [])

"""Words of removed entries leave the files of the lexical index, not only its answers; real tantivy, real files."""

from __future__ import annotations

from pathlib import Path

import pytest
import tantivy

from simplemem_service.index import tantivy_index
from simplemem_service.index.base import BIGRAMS, CONTEXT, Scope
from simplemem_service.index.catalogue import Catalogue
from simplemem_service.index.follow import Follower
from simplemem_service.index.tantivy_index import TantivyIndex
from simplemem_service.index.tantivy_removal import MARK
from simplemem_service.index.vector_index import VectorIndex
from simplemem_service.models.entry import CANARY_USER, EmbeddedEntry
from simplemem_service.storage.base import Changes
from tests.support.entries import make_entry

SECRET = "zq48151623"
"""A word that stemming leaves as it is, so that the files hold it as it is written here."""
OTHERS = [
    make_entry(number, session_id=f"s{number}", lossless_restatement=f"parcel{number} arrived today")
    for number in range(300)
]


def secret(place: int, **fields: object) -> EmbeddedEntry:
    text = f"the word is {SECRET}"
    return make_entry(place, user_id="eve", session_id="eve", lossless_restatement=text, **fields)


def documents_with(folder: Path, word: str) -> int:
    """Documents of the files that hold a word, those marked as removed included."""
    (place,) = folder.iterdir()
    searcher = tantivy.Index.open(str(place)).searcher()
    return int(searcher.doc_freq(CONTEXT, word) + searcher.doc_freq(BIGRAMS, word))


def tidy(index: TantivyIndex) -> int:
    steps = 0
    while not index.is_tidy:
        index.tidy()
        steps += 1
    return steps


def find(index: TantivyIndex, term: str) -> list[str]:
    return list(index.snapshot().search(CONTEXT, [term], Scope(), 5))


def test_the_words_of_a_removed_entry_leave_the_files_in_small_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tantivy_index, "TIDIED_DOCUMENTS", 100)
    index = TantivyIndex(tmp_path)
    index.apply([*OTHERS[:200], secret(900), *OTHERS[200:]], [])
    assert find(index, SECRET) == ["entry-000900"]
    index.apply([], ["entry-000900"])
    assert find(index, SECRET) == []
    assert documents_with(tmp_path, SECRET) == 1
    index.tidy()
    assert find(index, "parcel7") == ["entry-000007"]
    assert not index.is_tidy
    assert tidy(index) == 2
    assert documents_with(tmp_path, SECRET) == 0
    assert documents_with(tmp_path, "parcel7") == 1
    assert [find(index, f"parcel{number}") for number in (0, 150, 299)] == [
        [f"entry-{number:06}"] for number in (0, 150, 299)
    ]


def test_what_is_written_between_two_steps_stays_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tantivy_index, "TIDIED_DOCUMENTS", 50)
    index = TantivyIndex(tmp_path)
    index.apply([*OTHERS, secret(900), secret(901)], [])
    index.apply([], ["entry-000900"])
    index.tidy()
    edited = [make_entry(n, session_id=f"s{n}", lossless_restatement=f"letter{n} left") for n in range(0, 300, 3)]
    index.apply(edited, ["entry-000901", "entry-000001"])
    tidy(index)
    assert documents_with(tmp_path, SECRET) == 0
    assert find(index, "letter3") == ["entry-000003"]
    assert find(index, "parcel3") == find(index, "parcel1") == []
    assert find(index, "parcel2") == ["entry-000002"]
    assert index._index.searcher().num_docs == 299


def test_a_process_that_ends_in_between_leaves_it_to_the_next(tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path)
    index.apply([*OTHERS, secret(900)], [])
    index.apply([], ["entry-000900"])
    (place,) = tmp_path.iterdir()
    assert (place / MARK).exists()
    del index
    again = TantivyIndex(tmp_path)
    again.apply(OTHERS, [])
    assert documents_with(tmp_path, SECRET) == 0
    assert not (place / MARK).exists()
    assert find(again, "parcel7") == ["entry-000007"]


def test_entries_removed_while_nobody_followed_leave_the_files_too(tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path)
    index.apply([*OTHERS, secret(900)], [])
    del index
    again = TantivyIndex(tmp_path)
    follower = Follower(_Whole(OTHERS), again, VectorIndex(), Catalogue())
    again.begin_load()
    follower._load(Changes(version=1, upserted=OTHERS, deleted=(), is_complete=True))
    assert documents_with(tmp_path, SECRET) == 1
    assert not follower.is_tidy
    tidy(again)
    assert documents_with(tmp_path, SECRET) == 0
    assert find(again, "parcel7") == ["entry-000007"]


def test_check_turns_of_the_service_cost_no_rewriting(tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path)
    index.apply([*OTHERS, make_entry(900, user_id=CANARY_USER, session_id="check")], [])
    index.apply([], ["entry-000900"])
    assert index.is_tidy


async def test_a_follower_tidies_its_files_and_searches_go_on(tmp_path: Path) -> None:
    table = _Whole([*OTHERS, secret(900)])
    follower = Follower(table, TantivyIndex(tmp_path), VectorIndex(), Catalogue())
    await follower.catch_up()
    table.changes = Changes(version=2, upserted=[], deleted=("entry-000900",), is_complete=False)
    await follower.catch_up()
    before = follower.views.lexical
    while not follower.is_tidy:
        await follower.tidy()
    assert documents_with(tmp_path, SECRET) == 0
    for lexical in (before, follower.views.lexical):
        assert list(lexical.search(CONTEXT, ["parcel7"], Scope(), 1)) == ["entry-000007"]


class _Whole:
    """A table that tells what it is told to."""

    def __init__(self, rows: list[EmbeddedEntry]) -> None:
        self.changes = Changes(version=1, upserted=rows, deleted=(), is_complete=True)

    async def read_changes(self, since: int | None) -> Changes:
        assert since in (None, self.changes.version - 1)
        return self.changes

"""What the lexical view reads of an entry and its neighbours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.index.neighbourhood import Document, Neighbourhood
from tests.support.entries import make_entry


def positions(documents: list[Document]) -> list[int]:
    return sorted(document.position for document in documents)


def test_an_entry_is_read_four_times_among_two_neighbours_on_each_side() -> None:
    rows = [make_entry(place, text=f"word{place}", speaker="") for place in range(6)]
    documents = {d.position: d for d in Neighbourhood().apply(rows, [])}
    assert sorted(documents[3].context) == sorted(["word3"] * 4 + ["word2", "word4"] * 2 + ["word1", "word5"])
    assert sorted(documents[0].context) == sorted(["word0"] * 4 + ["word1"] * 2 + ["word2"])


def test_bigrams_are_those_of_the_entry_alone() -> None:
    rows = [make_entry(0, text="one two", speaker="Ada"), make_entry(1, text="three", speaker="Ada")]
    documents = {d.position: d for d in Neighbourhood().apply(rows, [])}
    assert documents[0].bigrams == ("ada_one", "one_two")


def test_a_later_entry_changes_its_neighbours() -> None:
    neighbourhood = Neighbourhood()
    neighbourhood.apply([make_entry(place) for place in range(5)], [])
    assert positions(neighbourhood.apply([make_entry(5)], [])) == [3, 4, 5]


def test_a_deleted_entry_changes_its_neighbours() -> None:
    neighbourhood = Neighbourhood()
    neighbourhood.apply([make_entry(place, text=f"word{place}") for place in range(6)], [])
    documents = neighbourhood.apply([], [make_entry(2).entry.entry_id])
    assert positions(documents) == [0, 1, 3, 4]
    assert not any("word2" in document.context for document in documents)


def test_other_sessions_and_users_are_no_neighbours() -> None:
    neighbourhood = Neighbourhood()
    neighbourhood.apply([make_entry(0)], [])
    rows = [make_entry(1, session_id="tuesday"), make_entry(2, user_id="ben")]
    assert positions(neighbourhood.apply(rows, [])) == [1, 2]


def test_deleting_what_is_not_there_changes_nothing() -> None:
    assert Neighbourhood().apply([], ["nothing"]) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=40))
def test_step_by_step_gives_what_all_at_once_gives(steps: list[tuple[int, bool]]) -> None:
    followed = Neighbourhood()
    seen: dict[str, list[str]] = {}
    alive: dict[int, bool] = {}
    for place, is_written in steps:
        entry_id = make_entry(place).entry.entry_id
        seen.pop(entry_id, None)
        alive[place] = is_written
        documents = followed.apply([make_entry(place)] if is_written else [], [] if is_written else [entry_id])
        seen.update({document.entry_id: sorted(document.context) for document in documents})
    whole = Neighbourhood().apply([make_entry(place) for place, is_alive in alive.items() if is_alive], [])
    assert seen == {document.entry_id: sorted(document.context) for document in whole}

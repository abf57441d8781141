"""Which of two entries that follow each other comes first, and what repeats another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.models.entry import Entry
from simplemem_service.models.query import Hit
from simplemem_service.pipeline.question import read_question
from simplemem_service.pipeline.validity import rate_recency, rate_validity, with_successors, without_repetitions
from tests.support.entries import NOON, make_entry


def fact(number: int, since: str, until: str | None = None, after: str | None = None) -> Entry:
    entry = make_entry(number, entry_id=str(number), timestamp=day(since), superseded_by=after).entry
    return replace(entry, valid_from=day(since), valid_until=None if until is None else day(until))


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


PARIS = fact(0, "2024-01-10", "2024-05-20", after="1")
ROME = fact(1, "2024-05-20")


def order(text: str, entries: list[Entry], scores: list[float], likeness: list[float] | None = None) -> list[str]:
    total = np.array(scores)
    near = np.array(likeness or [1.0] * len(entries))
    rated = total + rate_validity(read_question(text, ["Ada"]), entries, total, near)
    return [entries[place].entry_id for place in np.argsort(-rated)]


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("Where does Ada live?", "1"),
        ("Where does Ada live now?", "1"),
        ("Where did Ada live in March 2024?", "0"),
        ("Where did Ada live on 19 May 2024?", "0"),
        ("Where did Ada live on 20 May 2024?", "1"),
        ("Where did Ada live in July 2024?", "1"),
        ("Where did Ada live in 2025?", "1"),
        ("Where did Ada live before?", "0"),
        ("Where did Ada use to live, I mean: where she used to live?", "0"),
        ("Wo hat Ada früher gewohnt?", "0"),
        ("2025年Ada住在哪里？", "1"),
        ("Ada以前住在哪里？", "0"),
    ],
)
def test_the_one_that_held_then_comes_first(question: str, first: str) -> None:
    assert order(question, [PARIS, ROME], [1.0, 0.8])[0] == first
    assert order(question, [PARIS, ROME], [0.8, 1.0])[0] == first


@pytest.mark.parametrize("question", ["What happened in 2024?", "Who came in May 2024?", "Where was Ada in March?"])
def test_where_both_held_or_no_year_is_named_the_scores_stand(question: str) -> None:
    assert order(question, [PARIS, ROME], [1.0, 0.8]) == ["0", "1"]
    assert order(question, [PARIS, ROME], [0.8, 1.0]) == ["1", "0"]


def test_a_chain_is_put_in_order_from_its_end() -> None:
    chain = [fact(0, "2020-01-01", "2021-01-01", "1"), fact(1, "2021-01-01", "2022-01-01", "2"), fact(2, "2022-01-01")]
    assert order("Where does Ada live?", chain, [1.0, 0.9, 0.8]) == ["2", "1", "0"]
    assert order("Where did Ada live before?", chain, [0.8, 0.9, 1.0]) == ["0", "1", "2"]


def test_of_what_says_the_same_the_later_comes_first_unless_a_time_is_named() -> None:
    repeated = [fact(0, "2024-01-01", after="1"), fact(1, "2024-06-01")]
    assert order("Where does Ada live?", repeated, [1.0, 0.8]) == ["1", "0"]
    assert order("Where did Ada live in January 2024?", repeated, [1.0, 0.8]) == ["0", "1"]
    assert order("Where did Ada live before?", repeated, [1.0, 0.8]) == ["0", "1"]


def test_a_successor_that_has_no_part_in_the_question_stays_where_it_is() -> None:
    mixed = replace(PARIS, text="I live in Paris. My cat is called Lovelace.")
    assert order("What is Ada's cat called?", [mixed, ROME], [1.0, 0.3], [0.7, 0.1]) == ["0", "1"]
    assert order("Where does Ada live?", [mixed, ROME], [1.0, 0.3], [0.7, 0.4]) == ["1", "0"]
    assert order("Wo wohnt Ada?", [PARIS, ROME], [1.0, 0.3], [0.7, 0.1]) == ["1", "0"]


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_nothing_is_ever_put_lower(scores: list[float]) -> None:
    total = np.array(scores)
    entries = [PARIS, ROME, fact(2, "2024-01-01")]
    added = rate_validity(read_question("Where does Ada live?", []), entries, total, np.ones(3))
    assert (added >= 0).all()
    assert added[2] == 0


def test_successors_are_brought_in() -> None:
    entries = {entry.entry_id: entry for entry in (fact(0, "2020-01-01", after="1"), fact(1, "2021-01-01", after="2"))}
    last = fact(2, "2022-01-01")
    entries["2"] = last
    found = with_successors([entries["0"]], entries.get)
    assert [entry.entry_id for entry in found] == ["0", "1", "2"]
    assert with_successors([fact(5, "2020-01-01", after="gone")], entries.get) == [fact(5, "2020-01-01", after="gone")]


def test_entries_that_point_at_each_other_end() -> None:
    entries = {entry.entry_id: entry for entry in (fact(0, "2020-01-01", after="1"), fact(1, "2021-01-01", after="0"))}
    assert len(with_successors([entries["0"]], entries.get)) == 2


def hits(*entries: Entry) -> list[Hit]:
    return [Hit(entry, 1.0 - place / 10) for place, entry in enumerate(entries)]


def test_what_repeats_a_better_hit_lends_it_its_sources() -> None:
    first = make_entry(0, lossless_restatement="Ada: Thanks, Ben!").entry
    again = make_entry(1, lossless_restatement="Ada: thanks Ben").entry
    other = make_entry(2, lossless_restatement="Ada: thanks Bob").entry
    found = without_repetitions(hits(first, again, other), 2)
    assert [hit.entry.entry_id for hit in found] == [first.entry_id, other.entry_id]
    assert found[0].entry.sources == ("turn-0", "turn-1")


def test_a_near_duplicate_found_before_is_folded_into_the_better_hit() -> None:
    old = make_entry(0, superseded_by="entry-000001").entry
    new = make_entry(1).entry
    assert [hit.entry.entry_id for hit in without_repetitions(hits(new, old), 5)] == ["entry-000001"]
    assert [hit.entry.entry_id for hit in without_repetitions(hits(old, new), 5)] == ["entry-000000"]
    ended = replace(old, valid_until=NOON)
    assert len(without_repetitions(hits(new, ended), 5)) == 2


def test_other_speakers_and_users_do_not_repeat() -> None:
    words = {"lossless_restatement": "Thanks!"}
    entries = [make_entry(n, speaker=f"s{n}", **words).entry for n in range(2)]
    entries.append(make_entry(3, user_id="ben", speaker="s0", **words).entry)
    assert len(without_repetitions(hits(*entries), 5)) == 3


def test_recency_is_measured_in_days_from_the_oldest() -> None:
    entries = [make_entry(0, timestamp=NOON + timedelta(days=n)).entry for n in (0, 2)]
    unknown = make_entry(1, timestamp=None, created_at=None).entry
    assert rate_recency([*entries, unknown]).tolist() == [0.0, 2.0, 0.0]
    assert rate_recency([unknown]).tolist() == [0.0]
    assert rate_recency([]).tolist() == []

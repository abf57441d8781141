"""Stage 2: affinity, clusters, and which entry took another's place."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.models.entry import Entry
from simplemem_service.pipeline.attributes import Fact
from simplemem_service.pipeline.synthesize import (
    DECAY_PER_HOUR,
    MEANING_SHARE,
    Said,
    Supersession,
    Told,
    affinities,
    affinity,
    find_clusters,
    find_duplicates,
    find_superseded,
    mean_vector,
    said_by,
    told_at,
)
from tests.support.entries import NOON, make_entry, unit_vector

COSINES = st.floats(-1, 1)
SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("cosine", "hours", "share", "decay", "expected"),
    [
        (1.0, 0.0, 0.8, 1 / 24, 1.0),
        (0.5, 0.0, 0.8, 1 / 24, 0.6),
        (0.5, 24.0, 0.8, 1 / 24, 0.4 + 0.2 * math.exp(-1)),
        (-1.0, 1e9, 0.8, 1.0, -0.8),
        (0.3, 5.0, 0.0, 0.0, 1.0),
        (0.3, 5.0, 1.0, 0.1, 0.3),
    ],
)
def test_the_affinity_of_two_entries(cosine: float, hours: float, share: float, decay: float, expected: float) -> None:
    assert affinity(cosine, hours, share=share, decay=decay) == pytest.approx(expected)


@given(COSINES, st.floats(0, 1e6), SHARES, st.floats(0, 10))
def test_affinity_keeps_to_its_bounds_and_does_not_mind_the_order(
    cosine: float, hours: float, share: float, decay: float
) -> None:
    weight = affinity(cosine, hours, share=share, decay=decay)
    assert -share - 1e-9 <= weight <= 1 + 1e-9
    assert weight == affinity(cosine, -hours, share=share, decay=decay)


@given(COSINES, st.floats(0, 1e4), st.floats(0, 1e4))
def test_affinity_falls_with_time(cosine: float, hours: float, more: float) -> None:
    assert affinity(cosine, hours + more) <= affinity(cosine, hours) + 1e-12


def test_many_affinities_are_those_of_each_pair() -> None:
    vectors = np.stack([unit_vector(n) for n in range(5)])
    hours = np.array([0.0, 3.0, 50.0, 51.0, 400.0])
    weights = affinities(vectors, hours, first=3)
    assert weights.shape == (5, 2)
    for row in range(5):
        for column in (3, 4):
            cosine = float(vectors[row] @ vectors[column])
            expected = MEANING_SHARE * cosine + (1 - MEANING_SHARE) * math.exp(
                -DECAY_PER_HOUR * abs(hours[row] - hours[column])
            )
            assert weights[row, column - 3] == pytest.approx(expected, abs=1e-6)


def test_a_cluster_holds_a_new_entry_and_its_nearest_only() -> None:
    weights = np.array([[0.9, 0.1], [0.2, 0.1], [1.0, 0.8], [0.8, 1.0]])
    assert find_clusters(weights, 2, threshold=0.75) == [[0, 2, 3]]
    assert find_clusters(weights, 2, threshold=0.85) == [[0, 2]]
    assert find_clusters(weights, 2, threshold=0.95) == []


def tell(entry_id: str, value: str, day: int, attribute: str = "home", **fields: object) -> Told:
    fact = Fact("ada", attribute, value, **fields)  # type: ignore[arg-type]
    return Told(entry_id, NOON + timedelta(days=day), day, fact)


def at(day: int) -> datetime:
    return NOON + timedelta(days=day)


def test_a_newer_home_takes_the_place_of_the_older() -> None:
    facts = [tell("a", "paris", 0), tell("b", "rome", 5)]
    assert find_superseded(facts, frozenset("b")) == [Supersession("a", "b", at(5))]
    assert find_superseded(facts[::-1], frozenset("a")) == [Supersession("a", "b", at(5))]
    assert find_superseded(facts, frozenset("x")) == []


def test_a_value_holds_until_the_next_other_one() -> None:
    facts = [tell("a", "paris", 0), tell("b", "paris", 2), tell("c", "rome", 5), tell("d", "paris", 9)]
    found = find_superseded(facts, frozenset("abcd"))
    assert found == [Supersession("a", "c", at(5)), Supersession("b", "c", at(5)), Supersession("c", "d", at(9))]


def test_a_second_job_ends_the_first_only_if_it_says_so() -> None:
    first, second = tell("a", "google", 0, "employer"), tell("b", "siemens", 5, "employer")
    assert find_superseded([first, second], frozenset("b")) == []
    changed = tell("b", "siemens", 5, "employer", is_change=True)
    assert find_superseded([first, changed], frozenset("b")) == [Supersession("a", "b", at(5))]
    named = tell("b", "siemens", 5, "employer", is_change=True, replaces="bosch")
    assert find_superseded([first, named], frozenset("b")) == []


def test_a_switch_ends_whatever_had_the_value_that_it_names() -> None:
    facts = [tell("a", "tea", 0, "favourite:drink"), tell("b", "coffee", 3, "", replaces="tea", is_change=True)]
    assert find_superseded(facts, frozenset("b")) == [Supersession("a", "b", at(3))]
    assert find_superseded([facts[1]], frozenset("b")) == []


def test_other_people_and_attributes_are_left_alone() -> None:
    other = Told("b", at(5), 5, Fact("ben", "home", "rome"))
    assert find_superseded([tell("a", "paris", 0), other, tell("c", "30", 6, "age")], frozenset("abc")) == []


@given(st.lists(st.tuples(st.sampled_from("pqr"), st.integers(0, 20)), max_size=12), st.integers(0, 12))
def test_time_only_goes_forward(told: list[tuple[str, int]], first: int) -> None:
    facts = [tell(f"e{n}", value, day) for n, (value, day) in enumerate(told)]
    times = {fact.entry_id: (fact.at, fact.position) for fact in facts}
    for one in find_superseded(facts, frozenset(fact.entry_id for fact in facts[first:])):
        assert times[one.old] <= times[one.new]
        assert one.old != one.new


def say(entry_id: str, text: str, day: int = 0, **fields: object) -> Entry:
    return make_entry(day, entry_id=entry_id, text=text, lossless_restatement=f"Ada: {text}", **fields).entry


def said(*entries: Entry) -> list[Said]:
    found = [said_by(entry) for entry in entries]
    return [one for one in found if one is not None]


def test_the_same_told_again_takes_the_place_of_the_first_and_both_hold() -> None:
    entries = said(say("a", "My cat sleeps all day."), say("b", "My cat sleeps all the day.", 3))
    vectors = np.stack([unit_vector(1)] * 2)
    assert find_duplicates(entries, vectors, 1) == [Supersession("a", "b", None)]
    assert find_duplicates(entries, vectors, 2) == []
    assert find_duplicates(entries, np.stack([unit_vector(1), unit_vector(2)]), 0) == []


@pytest.mark.parametrize(
    ("first", "second", "fields"),
    [
        ("I ran 5 km in the park.", "I ran 6 km in the park.", {}),
        ("I like the new office.", "I do not like the new office.", {}),
        ("I can eat nuts again.", "I can't eat nuts again.", {}),
        ("I met Ben in the park.", "I met Bob in the park.", {}),
        ("I like the new office.", "I like the new office.", {"speaker": "Ben"}),
        ("I like the new office.", "I like the new office.", {"location": "Bonn"}),
    ],
)
def test_what_vectors_overlook_tells_entries_apart(first: str, second: str, fields: dict[str, str]) -> None:
    entries = said(say("a", first), say("b", second, 1, **fields))
    assert find_duplicates(entries, np.stack([unit_vector(1)] * 2), 0) == []


def test_small_talk_is_not_compared() -> None:
    assert said_by(say("a", "Thanks a lot!")) is None


def test_an_entry_was_told_when_it_says_or_when_it_was_written() -> None:
    assert told_at(say("a", "x", 3)) == NOON + timedelta(minutes=3)
    assert told_at(say("a", "x", timestamp=None)) == NOON
    assert told_at(say("a", "x", valid_from=at(4))) == at(4)


def test_the_mean_of_sentences_is_a_unit_vector() -> None:
    mean = mean_vector([unit_vector(1), unit_vector(2)], unit_vector(3))
    assert float(np.linalg.norm(mean)) == pytest.approx(1)
    assert (mean_vector([], unit_vector(3)) == unit_vector(3)).all()
    assert (mean_vector([unit_vector(1), -unit_vector(1)], unit_vector(3)) == unit_vector(3)).all()

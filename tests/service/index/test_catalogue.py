"""Entries by id, day, speaker and session, and the scope of a filter."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from simplemem_service.index.base import Scope
from simplemem_service.index.catalogue import Catalogue
from simplemem_service.models.query import EntryFilter
from simplemem_service.storage.entry_rows import batch_of
from tests.support.entries import NOON, make_entry

TOMORROW = NOON + timedelta(days=1)


def places_of(scope: Scope) -> list[int]:
    assert scope.places is not None
    places: list[int] = scope.places.tolist()
    return places


@pytest.fixture
def catalogue() -> Catalogue:
    catalogue = Catalogue()
    catalogue.apply(
        [
            make_entry(0),
            make_entry(1, speaker="Ben", persons=("Ben", "Ada"), timestamp=TOMORROW),
            make_entry(2, session_id="tuesday", location="Rome", timestamp=None),
            make_entry(3, user_id="ben", speaker="Cleo"),
        ],
        [],
    )
    return catalogue


def test_an_entry_is_found_by_its_id(catalogue: Catalogue) -> None:
    assert (
        catalogue.entry("entry-000001")
        == make_entry(1, speaker="Ben", persons=("Ben", "Ada"), timestamp=TOMORROW).entry
    )
    assert catalogue.entry("nothing") is None
    assert len(catalogue) == 4


def test_speakers_are_those_of_the_user_most_talkative_first(catalogue: Catalogue) -> None:
    assert catalogue.speakers("ada") == ["Ada", "Ben"]
    assert catalogue.speakers("ben") == ["Cleo"]
    assert set(catalogue.speakers(None)) == {"Ada", "Ben", "Cleo"}
    assert catalogue.speakers("nobody") == []


def test_the_previous_entry_is_that_of_the_session(catalogue: Catalogue) -> None:
    assert catalogue.previous(make_entry(1).entry) == "entry-000000"
    assert catalogue.previous(make_entry(0).entry) is None
    assert catalogue.previous(make_entry(2, session_id="tuesday").entry) is None
    assert catalogue.previous(make_entry(9, user_id="nobody").entry) is None


def test_entries_are_found_by_the_day_they_were_told(catalogue: Catalogue) -> None:
    assert places_of(catalogue.on_days(Scope("ada"), lambda day: day == TOMORROW.date())) == [1]
    assert places_of(catalogue.on_days(Scope(), lambda day: day == NOON.date())) == [0, 3]
    only = Scope(None, np.array([1, 3]))
    assert places_of(catalogue.on_days(only, lambda day: day == NOON.date())) == [3]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"session_id": "tuesday"}, {2}),
        ({"persons": ("ada", "BEN")}, {1}),
        ({"location": "rome"}, {2}),
        ({"since": TOMORROW}, {1}),
        ({"until": NOON}, {0}),
        ({"since": NOON, "until": TOMORROW}, {0, 1}),
        ({"session_id": "never"}, set()),
        ({"session_id": "monday", "persons": ("Cleo",)}, set()),
    ],
)
def test_a_filter_allows_what_matches(catalogue: Catalogue, where: dict[str, object], expected: set[int]) -> None:
    scope = catalogue.scope(EntryFilter(user_id="ada", **where))  # type: ignore[arg-type]
    assert scope.user_id == "ada"
    assert set(places_of(scope)) == expected


def test_a_filter_by_user_alone_needs_no_list(catalogue: Catalogue) -> None:
    assert catalogue.scope(EntryFilter(user_id="ada")).places is None
    assert catalogue.scope(EntryFilter()).places is None


def test_changes_are_followed(catalogue: Catalogue) -> None:
    catalogue.apply([make_entry(1, speaker="Ada", session_id="tuesday")], ["entry-000000", "nothing"])
    assert catalogue.entry("entry-000000") is None
    assert catalogue.speakers("ada") == ["Ada"]
    assert catalogue.previous(make_entry(2, session_id="tuesday").entry) == "entry-000001"
    assert places_of(catalogue.on_days(Scope("ada"), lambda day: day == TOMORROW.date())) == []


def test_loading_forgets_what_was_there_once_it_is_complete(catalogue: Catalogue) -> None:
    catalogue.begin_load()
    catalogue.load(batch_of([make_entry(8)]))
    assert len(catalogue) == 4
    catalogue.end_load()
    assert len(catalogue) == 1
    assert catalogue.entry("entry-000000") is None
    assert catalogue.speakers("ben") == []


def test_an_entry_without_a_time_matches_no_bound_on_time(catalogue: Catalogue) -> None:
    assert places_of(catalogue.scope(EntryFilter(user_id="ada", since=NOON))) == [0, 1]
    assert places_of(catalogue.scope(EntryFilter(user_id="ada", until=TOMORROW))) == [0, 1]


def test_deleted_entries_leave_no_records_behind() -> None:
    catalogue = Catalogue()
    entries = [make_entry(place) for place in range(40)]
    catalogue.apply(entries, [])
    catalogue.apply([], [row.entry.entry_id for row in entries[:30]])
    assert len(catalogue._records.ids) == len(catalogue) == 10
    assert catalogue.entry("entry-000035") == entries[35].entry
    assert catalogue.previous(entries[35].entry) == "entry-000034"
    assert len(places_of(catalogue.scope(EntryFilter(persons=("Ada",))))) == 10

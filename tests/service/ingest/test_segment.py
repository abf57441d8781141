"""Segments as bytes: whole or refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.errors import DamagedSegmentError, NotFoundError
from simplemem_service.ingest import segment
from simplemem_service.models.operation import GivenTurn, Operation, OperationResult, OperationState

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TIMES = st.none() | st.datetimes(timezones=st.just(UTC), min_value=datetime(1900, 1, 1))
TURNS = st.builds(GivenTurn, speaker=TEXTS, text=TEXTS, id=st.none() | TEXTS, timestamp=TIMES)
OPERATIONS = st.builds(
    Operation,
    user_id=TEXTS,
    session_id=TEXTS,
    turns=st.lists(TURNS, max_size=4).map(tuple),
    received_at=st.datetimes(timezones=st.just(UTC)),
    idempotency=TEXTS,
)
NAME = str(segment.SegmentName(1_700_000_000_000_000_000, "a1b2", 7, 3))


@given(st.lists(OPERATIONS, min_size=1, max_size=4))
def test_operations_come_back_as_they_were(operations: list[Operation]) -> None:
    data = segment.join_segment([segment.encode_operation(operation) for operation in operations])
    found = segment.decode_segment(NAME, data)
    assert [item.operation for item in found] == operations
    assert [item.operation_id for item in found] == [f"{NAME}.{n}" for n in range(len(operations))]


@given(st.data())
def test_a_segment_that_was_cut_or_changed_is_refused(data: st.DataObject) -> None:
    operation = Operation("ada", "monday", (GivenTurn("Ada", "Hello"),), datetime(2026, 3, 1, tzinfo=UTC))
    whole = segment.join_segment([segment.encode_operation(operation)])
    place = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DamagedSegmentError, match="does not match its checksum"):
        segment.decode_segment(NAME, whole[:place])
    # The header holds spaces, in which a change would be none.
    body = data.draw(st.integers(whole.index(b"\n") + 1, len(whole) - 1))
    changed = whole[:body] + bytes([whole[body] ^ 1]) + whole[body + 1 :]
    with pytest.raises(DamagedSegmentError):
        segment.decode_segment(NAME, changed)


@given(st.integers(0, 2**62), st.integers(0, 10**8 - 1), st.integers(0, 10**6))
def test_a_name_tells_its_parts(time_ns: int, number: int, turns: int) -> None:
    name = segment.SegmentName(time_ns, "a1b2", number, turns)
    assert segment.parse_segment_name(str(name)) == name


def test_names_sort_by_time_then_number() -> None:
    names = [segment.SegmentName(time, "a", number, 1) for time in (9, 10, 100) for number in (1, 2, 10)]
    assert sorted(map(str, names)) == [str(name) for name in names]


@pytest.mark.parametrize(
    "made_up", ["", "x", NAME, f"{NAME}.", f"{NAME}.x", f"{NAME}.-1", f"{NAME}.²", "../../etc/passwd.0", "1-a-1-1.0"]
)
def test_an_id_that_cannot_be_one_names_nothing(made_up: str) -> None:
    with pytest.raises(NotFoundError, match=r"does not exist|is no segment"):
        segment.split_operation_id(made_up)


def test_an_operation_s_id_leads_to_its_place() -> None:
    assert segment.split_operation_id(segment.operation_id(NAME, 12)) == (NAME, 12)


def test_results_stand_before_the_segment_as_it_was() -> None:
    results = [
        OperationResult(OperationState.SUCCEEDED, turns=3, entries=2, dropped=1, version=9),
        OperationResult(OperationState.FAILED, turns=1, error="broken\nin two lines"),
    ]
    finished = segment.encode_finished(results, b"header\nbody")
    assert segment.decode_results(finished) == results
    assert finished.endswith(b"\nheader\nbody")

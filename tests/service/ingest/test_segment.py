"""Segments as bytes: whole or refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.errors import DamagedSegmentError, NotFoundError
from simplemem_service.ingest import segment, wire
from simplemem_service.models.operation import (
    DeletePayload,
    EditPayload,
    EntriesPayload,
    ErasePayload,
    GivenEntry,
    GivenTurn,
    Operation,
    OperationKind,
    OperationResult,
    OperationState,
    Receipt,
    RecompressPayload,
    SynthesizePayload,
    UndoPayload,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TIMES = st.none() | st.datetimes(timezones=st.just(UTC), min_value=datetime(1900, 1, 1))
TURNS = st.builds(GivenTurn, speaker=TEXTS, text=TEXTS, id=st.none() | TEXTS, timestamp=TIMES)
NAMES = st.lists(TEXTS, max_size=2).map(tuple)
GIVEN = st.builds(
    GivenEntry,
    lossless_restatement=TEXTS,
    entry_id=st.none() | TEXTS,
    keywords=NAMES,
    timestamp=TIMES,
    location=st.none() | TEXTS,
    sources=NAMES,
    valid_until=TIMES,
    created_at=TIMES,
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={"lossless_restatement": TEXTS, "location": st.none() | TEXTS, "persons": NAMES, "valid_from": TIMES},
)
PAYLOADS = st.one_of(
    st.none(),
    st.builds(EntriesPayload, st.lists(GIVEN, max_size=2).map(tuple)),
    st.builds(EditPayload, TEXTS, CHANGES),
    st.builds(DeletePayload, NAMES),
    st.builds(UndoPayload, TEXTS),
    st.sampled_from([ErasePayload(), SynthesizePayload(), RecompressPayload()]),
)
OPERATIONS = st.builds(
    Operation,
    user_id=TEXTS,
    session_id=TEXTS,
    turns=st.lists(TURNS, max_size=4).map(tuple),
    received_at=st.datetimes(timezones=st.just(UTC)),
    idempotency=TEXTS,
    payload=PAYLOADS,
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


RECEIPTS = st.builds(
    Receipt,
    kind=st.sampled_from([OperationKind.DELETE, OperationKind.ERASE]),
    user_id=TEXTS,
    requested_at=st.datetimes(timezones=st.just(UTC)),
    removed=st.dictionaries(TEXTS, st.integers(0, 9), max_size=3),
    physical_by=st.datetimes(timezones=st.just(UTC)),
    physically_removed_at=TIMES,
    sha256=TEXTS,
)
RESULTS = st.builds(
    OperationResult,
    state=st.sampled_from([OperationState.SUCCEEDED, OperationState.FAILED]),
    turns=st.integers(0, 9),
    entries=st.integers(0, 9),
    error=TEXTS,
    kind=st.sampled_from(OperationKind),
    deleted=st.integers(0, 9),
    receipt=st.none() | RECEIPTS,
)


@given(st.lists(RESULTS, max_size=3))
def test_results_come_back_as_they_were(results: list[OperationResult]) -> None:
    assert segment.decode_results(segment.encode_results(results)) == results


def test_what_the_first_release_wrote_is_read() -> None:
    old = b'[{"state":"Succeeded","turns":3,"entries":2,"dropped":1,"version":9,"error":""}]\nheader\nbody'
    assert segment.decode_results(old) == [OperationResult(OperationState.SUCCEEDED, 3, 2, 1, 9)]
    line = (
        b'{"user_id":"ada","session_id":"monday","turns":[{"speaker":"Ada","text":"Hi","id":null,"timestamp":null}],'
        b'"received_at":"2026-03-01T00:00:00+00:00","idempotency":""}'
    )
    operation = segment.decode_line(line)
    assert operation == Operation("ada", "monday", (GivenTurn("Ada", "Hi"),), datetime(2026, 3, 1, tzinfo=UTC))
    assert segment.encode_operation(operation) == line


def test_an_older_release_refuses_kinds_it_does_not_know() -> None:
    turns = Operation("ada", "m", (GivenTurn("Ada", 'a "payload":{} in words'),), datetime(2026, 3, 1, tzinfo=UTC))
    other = Operation("ada", "m", (), datetime(2026, 3, 1, tzinfo=UTC), payload=ErasePayload())
    plain, mixed = ([segment.encode_operation(one) for one in group] for group in ([turns], [turns, other]))
    assert segment.join_segment(plain).startswith(b'{"format": 1,')
    assert segment.join_segment(mixed).startswith(b'{"format": 2,')


def test_a_receipt_s_digest_covers_all_of_it() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    receipt = wire.sealed(Receipt(OperationKind.ERASE, "ada", now, {"entries": 3}, now))
    assert len(receipt.sha256) == 64
    assert wire.sealed(receipt) == receipt
    assert wire.sealed(replace(receipt, removed={"entries": 4})).sha256 != receipt.sha256

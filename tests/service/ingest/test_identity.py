"""When two turns are the same turn."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.ingest.identity import digest, identify_turns
from simplemem_service.models.operation import GivenTurn, JournaledOperation, Operation
from tests.support.entries import NOON


def key_of(turn: GivenTurn, operation_id: str = "op.0", **fields: Any) -> str:
    operation = replace(Operation("ada", "monday", (turn,), NOON), **fields)
    return identify_turns(JournaledOperation(operation_id, operation))[0].key


def test_a_turn_with_an_id_is_the_same_in_any_operation() -> None:
    turn = GivenTurn("Ada", "Hello", id="t1")
    assert key_of(turn) == key_of(turn, "other.3")
    assert key_of(turn) == key_of(replace(turn, timestamp=NOON))


def test_a_turn_with_a_time_is_the_same_in_any_operation() -> None:
    turn = GivenTurn("Ada", "Hello", timestamp=NOON)
    assert key_of(turn) == key_of(turn, "other.3")
    assert key_of(turn) != key_of(replace(turn, timestamp=NOON + timedelta(seconds=1)))


def test_a_turn_with_neither_is_only_ever_itself() -> None:
    turn = GivenTurn("Ada", "yes")
    assert key_of(turn) != key_of(turn, "other.0")
    twice = Operation("ada", "monday", (turn, turn), NOON)
    keys = [found.key for found in identify_turns(JournaledOperation("op.0", twice))]
    assert len(set(keys)) == 2
    assert keys == [found.key for found in identify_turns(JournaledOperation("op.0", twice))]


def test_a_retry_under_the_same_idempotency_key_is_the_same_turn() -> None:
    turn = GivenTurn("Ada", "yes")
    assert key_of(turn, "op.0", idempotency="h") == key_of(turn, "other.0", idempotency="h")
    assert key_of(turn, "op.0", idempotency="h") != key_of(turn, "op.0", idempotency="i")


def test_whatever_tells_turns_apart_changes_the_key() -> None:
    turn = GivenTurn("Ada", "Hello", id="t1")
    keys = {
        key_of(turn),
        key_of(replace(turn, id="t2")),
        key_of(replace(turn, speaker="Ben")),
        key_of(replace(turn, text="Hullo")),
        key_of(turn, user_id="ben"),
        key_of(turn, session_id="tuesday"),
    }
    assert len(keys) == 6


def test_a_turn_without_an_id_is_known_by_its_key() -> None:
    operation = Operation("ada", "monday", (GivenTurn("Ada", "yes"), GivenTurn("Ada", "no", id="t2")), NOON)
    first, second = identify_turns(JournaledOperation("op.0", operation))
    assert first.id == first.key
    assert second.id == "t2"


@given(st.lists(st.text(), min_size=2), st.integers(min_value=1))
def test_texts_cut_elsewhere_have_another_digest(parts: list[str], cut: int) -> None:
    joined = "".join(parts)
    others = [joined[: cut % (len(joined) + 1)], joined[cut % (len(joined) + 1) :]]
    assert (digest(*parts) == digest(*others)) == (parts == others)

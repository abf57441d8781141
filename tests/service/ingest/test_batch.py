"""What a batch asks for."""

from __future__ import annotations

from datetime import timedelta

from simplemem_service.ingest import batch
from simplemem_service.models.operation import GivenTurn, JournaledOperation, Operation
from tests.support.entries import NOON, make_entry


def operation(number: int, *turn_ids: str, user: str = "ada", session: str = "monday") -> JournaledOperation:
    turns = tuple(GivenTurn("Ada", f"text {turn_id}", id=turn_id) for turn_id in turn_ids)
    return JournaledOperation(f"op.{number}", Operation(user, session, turns, NOON))


def test_sessions_keep_their_operations_in_order() -> None:
    identified = batch.identify([operation(0, "a"), operation(1, "b", session="tuesday"), operation(2, "c")])
    plans = batch.plan_sessions(identified, frozenset())
    assert [(plan.session_id, [turn.id for turn in plan.turns]) for plan in plans] == [
        ("monday", ["a", "c"]),
        ("tuesday", ["b"]),
    ]


def test_a_turn_counts_once_however_often_it_is_sent() -> None:
    identified = batch.identify([operation(0, "a", "b"), operation(1, "b", "c", "c")])
    known = frozenset(turn.key for _, turns in identified for turn in turns if turn.id == "a")
    (plan,) = batch.plan_sessions(identified, known)
    assert [turn.id for turn in plan.turns] == ["b", "c"]
    assert [(item.given, len(item.turns)) for item in plan.operations] == [(2, 1), (3, 1)]


def test_the_same_id_of_another_user_is_another_turn() -> None:
    plans = batch.plan_sessions(batch.identify([operation(0, "a"), operation(1, "a", user="ben")]), frozenset())
    assert [len(plan.turns) for plan in plans] == [1, 1]


def test_entries_are_numbered_and_stamped() -> None:
    later = NOON + timedelta(days=1)
    numbered = batch.number_entries([make_entry(90), make_entry(91)], 5, later)
    assert [(item.entry.position, item.entry.created_at) for item in numbered] == [(5, later), (6, later)]


def test_an_entry_of_several_operations_counts_for_the_last() -> None:
    (plan,) = batch.plan_sessions(batch.identify([operation(0, "a"), operation(1, "b"), operation(2)]), frozenset())
    made = [make_entry(0, sources=("a", "b")), make_entry(1, sources=("a",)), make_entry(2, sources=())]
    assert batch.count_entries(plan, made) == {"op.0": 1, "op.1": 1, "op.2": 0}

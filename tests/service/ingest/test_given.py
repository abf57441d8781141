"""Vectors made again of entries that are there: as they were made at first, and together where entries follow."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from simplemem_service.ingest.given import GivenEntries
from simplemem_service.ingest.positions import Positions
from simplemem_service.models.operation import GivenTurn, Operation
from tests.support.memory import Memory

TURNS = 12


@pytest.mark.parametrize(
    ("left_out", "runs"),
    [
        pytest.param(set(), 2, id="two sessions, nothing missing"),
        pytest.param({5}, 4, id="one of the middle is missing, so that nobody knows what lies there"),
        pytest.param(set(range(1, TURNS)), 1, id="one alone"),
    ],
)
async def test_vectors_made_again_are_those_made_at_first(memory: Memory, left_out: set[int], runs: int) -> None:
    for number in range(TURNS):
        told = datetime(2026, 3, 1, 12, number, tzinfo=UTC)
        turn = GivenTurn("Ada", f"Where is parcel {number}? On shelf {number * 7}.", f"t{number}", told)
        await memory.apply(Operation("ada", f"session-{number % 2}", (turn,), told))
    rows = await memory.storage.list_embedded("ada", after=-1, limit=TURNS)
    assert [row.entry.position for row in rows] == list(range(TURNS))
    wanted = [row for row in reversed(rows) if row.entry.position not in left_out]
    positions = Positions(memory.storage)
    given = GivenEntries(memory.storage, memory.embedding, positions, lambda: datetime.now(UTC))
    calls = memory.embedding.calls
    again = await given.restore([row.entry for row in wanted])
    # The sentences of a run are encoded in one call, its utterances in another.
    assert memory.embedding.calls - calls == 2 * runs
    for one, other in zip(again, wanted, strict=True):
        assert one.entry == other.entry
        # Stored with sixteen bits a number.
        np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-3)
        np.testing.assert_allclose(one.sentences, other.sentences, atol=1e-3)

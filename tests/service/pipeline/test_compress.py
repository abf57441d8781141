"""Compression by rules, with the real model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from simplemem_service.embedding.local import LocalEmbedding
from simplemem_service.models.density import Density
from simplemem_service.models.entry import Turn
from simplemem_service.pipeline.compress import Compressor
from tests.support.conversations import read_conversation

TURNS = read_conversation("english").sessions[1]


def make_compressor(embedding: LocalEmbedding, threshold: float = 0.0, size: int = 40) -> Compressor:
    return Compressor(embedding, window_turns=size, overlap_turns=min(2, size - 1), density_threshold=threshold)


def repeated(turns: Sequence[Turn]) -> list[Turn]:
    return [replace(turn, key=f"{turn.key}-again", id=f"{turn.id}-again") for turn in turns]


async def test_every_turn_becomes_one_entry_in_order(minilm: LocalEmbedding) -> None:
    made = await make_compressor(minilm).compress(TURNS, [], 7)
    assert [row.entry.sources for row in made.entries] == [(turn.id,) for turn in TURNS]
    assert [row.entry.position for row in made.entries] == list(range(7, 7 + len(TURNS)))
    assert made.dropped == ()
    first = made.entries[5].entry
    assert first.lossless_restatement.startswith("Greta: I have news as well: the choir is going to sing in Vienna")
    assert first.lossless_restatement.endswith("in two weeks (29 April 2024 - 5 May 2024).")
    assert first.persons == ("Greta",)
    assert (first.speaker, first.text, first.timestamp) == ("Greta", TURNS[5].text, TURNS[5].timestamp)


async def test_vectors_have_unit_length(minilm: LocalEmbedding) -> None:
    made = await make_compressor(minilm).compress(TURNS, [], 0)
    vectors = [vector for row in made.entries for vector in (row.embedding, *row.sentences)]
    assert all(vector.shape == (384,) and vector.dtype == np.float32 for vector in vectors)
    assert all(abs(float(np.linalg.norm(vector)) - 1) < 1e-3 for vector in vectors)
    assert len(made.entries[0].sentences) == 2


async def test_a_replay_makes_the_same_entries(minilm: LocalEmbedding) -> None:
    once = await make_compressor(minilm).compress(TURNS, [], 0)
    again = await make_compressor(minilm).compress(TURNS, [], 0)
    assert [row.entry for row in once.entries] == [row.entry for row in again.entries]
    assert len({row.entry.entry_id for row in once.entries}) == len(TURNS)


async def test_the_size_of_the_batches_changes_nothing(minilm: LocalEmbedding) -> None:
    compressor = make_compressor(minilm)
    whole = (await compressor.compress(TURNS, [], 0)).entries
    parts = (await compressor.compress(TURNS[:4], [], 0)).entries
    for turn in TURNS[4:]:
        parts += (await compressor.compress([turn], [row.entry for row in parts], len(parts))).entries
    # Participants not heard yet cannot be recognised, so people named may differ; all else is the same.
    assert [row.entry.entry_id for row in parts] == [row.entry.entry_id for row in whole]
    for part, entire in zip(parts, whole, strict=True):
        assert float(part.embedding @ entire.embedding) > 0.999


async def test_what_was_said_before_is_dropped_with_its_score_and_the_rest_is_kept(minilm: LocalEmbedding) -> None:
    turn = TURNS[2]
    compressor = make_compressor(minilm, threshold=0.05)
    first = await compressor.compress([turn], [], 0)
    repeated = replace(turn, key="again", id="again")
    made = await compressor.compress([repeated], [row.entry for row in first.entries], 1)
    assert made.entries == ()
    (dropped,) = made.dropped
    assert dropped.turns == (repeated,)
    assert dropped.density.score == pytest.approx(0, abs=0.01)
    news = await compressor.compress([TURNS[5]], [row.entry for row in first.entries], 1)
    assert len(news.entries) == 1


async def test_a_window_under_the_threshold_does_not_take_others_with_it(minilm: LocalEmbedding) -> None:
    late = timedelta(days=1)
    turns: list[Turn] = [
        TURNS[2],
        replace(TURNS[2], key="again", id="again", timestamp=TURNS[2].timestamp and TURNS[2].timestamp + late),
    ]
    made = await make_compressor(minilm, threshold=0.05).compress(turns, [], 3)
    assert [row.entry.position for row in made.entries] == [3]
    assert len(made.dropped) == 1


async def test_the_density_of_every_window_is_told_with_its_terms(minilm: LocalEmbedding) -> None:
    told: list[Density] = []
    compressor = Compressor(minilm, window_turns=2, overlap_turns=1, density_threshold=0.5, observe=told.append)
    made = await compressor.compress([*TURNS[:2], *repeated(TURNS[:2])], [], 0)
    assert [one.turns for one in told] == [2, 1, 1]
    assert told[0].cosine is None
    assert [window.density for window in made.dropped] == told[1:]
    for one in told:
        assert one.score == pytest.approx(0.5 * one.new_entities / one.turns + 0.5 * (1 - (one.cosine or 0.0)))


async def test_no_turns_make_nothing(minilm: LocalEmbedding) -> None:
    made = await make_compressor(minilm).compress([], [], 0)
    assert (made.entries, made.dropped) == ((), ())


@pytest.mark.parametrize("text", ["", " ", "?", "\x00", "🙂", "x" * 50_000, "word " * 20_000, "]]]["])
async def test_strange_turns_are_kept_as_they_are(minilm: LocalEmbedding, text: str) -> None:
    made = await make_compressor(minilm).compress([replace(TURNS[0], text=text)], [], 0)
    assert made.entries[0].entry.text == text

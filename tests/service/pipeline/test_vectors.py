"""Vectors of entries in their context."""

from __future__ import annotations

import numpy as np
import pytest

from simplemem_service.pipeline.density import mean_direction
from simplemem_service.pipeline.vectors import (
    CONTEXT_WEIGHT,
    UTTERANCE_SHARE,
    Draft,
    answering,
    embed_texts,
    finish_entries,
)
from tests.support.embedding import TinyEmbedding, embed
from tests.support.entries import make_entry


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("I was away. Did you go to Rome?", "Did you go to Rome? Yes, last week."),
        ("Look at this! Is it yours? [a red car]", "Is it yours? Yes, last week."),
        ("\u4f60\u53bb\u4e86\u5417\uff1f", "\u4f60\u53bb\u4e86\u5417\uff1f Yes, last week."),
        ("I went to Rome.", "Yes, last week."),
        ("", "Yes, last week."),
    ],
)
def test_an_answer_is_read_with_its_question(before: str, said: str) -> None:
    assert answering("Yes, last week.", before) == said


async def test_a_vector_in_context_is_of_the_utterance_and_of_what_stood_before() -> None:
    tiny = TinyEmbedding()
    past = await embed_texts(tiny, ["a b.", "c d.", "e f. g h."])
    own, following = await embed_texts(tiny, ["i j.", "k l."])
    drafts = [Draft(make_entry(0).entry, own, "i j as told"), Draft(make_entry(1).entry, following, "k l.")]
    first, second = await finish_entries(tiny, drafts, past, 7)
    assert (first.entry.position, second.entry.position) == (7, 8)
    around = mean_direction([own.mean, past[1].mean, past[2].mean], [1, CONTEXT_WEIGHT, CONTEXT_WEIGHT])
    wanted = mean_direction([embed("i j as told"), around], [UTTERANCE_SHARE, 1 - UTTERANCE_SHARE])
    np.testing.assert_allclose(first.embedding, wanted, rtol=1e-6)
    around = mean_direction([following.mean, past[2].mean, own.mean], [1, CONTEXT_WEIGHT, CONTEXT_WEIGHT])
    wanted = mean_direction([embed("k l."), around], [UTTERANCE_SHARE, 1 - UTTERANCE_SHARE])
    np.testing.assert_allclose(second.embedding, wanted, rtol=1e-6)
    assert second.sentences == following.sentences

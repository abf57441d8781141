"""The recipe's table."""

from __future__ import annotations

import pytest

from simplemem_service.pipeline import recipe, retrieve
from simplemem_service.pipeline.recipe import WEIGHTS, Recipe


def test_every_weighted_signal_is_computed() -> None:
    words = {recipe.LEXICAL_CONTEXT, recipe.LEXICAL_BIGRAMS}
    assert set(retrieve._RATERS) | words | {recipe.ANSWER, recipe.VALIDITY} == set(WEIGHTS)


@pytest.mark.parametrize("signal", sorted(WEIGHTS))
def test_every_signal_can_be_switched_off(signal: str) -> None:
    changed = Recipe().without(signal)
    assert not changed.uses(signal)
    assert all(changed.uses(other) == (weight != 0) for other, weight in WEIGHTS.items() if other != signal)


def test_an_unknown_signal_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="moonlight"):
        Recipe({"moonlight": 1.0})


def test_a_question_the_model_cannot_read_is_left_to_its_words() -> None:
    trusting = Recipe().trusting(0.25)
    assert trusting.weights[recipe.DENSE_SENTENCE] == 0.25 * WEIGHTS[recipe.DENSE_SENTENCE]
    assert trusting.weights[recipe.DENSE_CONTEXT] == 0.25 * WEIGHTS[recipe.DENSE_CONTEXT]
    assert trusting.weights[recipe.LEXICAL_CONTEXT] == WEIGHTS[recipe.LEXICAL_CONTEXT]
    assert Recipe().trusting(1.0).weights == WEIGHTS

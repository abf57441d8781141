"""From the raw scores of many signals to one score a candidate (pure)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
"""One number a candidate, shape (candidates,), float64."""


def min_max(scores: Scores) -> Scores:
    """Scores stretched to [0, 1]; all 0 where they are equal, since such a signal tells no candidate from another."""
    if not len(scores):
        return scores
    low, high = float(scores.min()), float(scores.max())
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)


def weighted_shares(signals: Mapping[str, Scores], weights: Mapping[str, float]) -> dict[str, Scores]:
    """Share of each signal in the fused score, `S = sum over signals of w * min_max(s)`; their sum is the score.

    Parameters
    ----------
    signals
        Raw scores of the same candidates in the same order, by signal.
    weights
        Weight of each signal; one without a weight counts 0.
    """
    return {name: weights.get(name, 0.0) * min_max(scores) for name, scores in signals.items()}


def best_first(total: Scores, limit: int) -> list[int]:
    """Places of the `limit` highest scores, highest first; equal ones in their order."""
    return [int(place) for place in np.argsort(-total, kind="stable")[: max(limit, 0)]]

"""Semantic density: how much a window of conversation adds to what is already remembered (SimpleMem paper, stage 1)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from simplemem_service.models.density import Density
from simplemem_service.models.entry import Vector

NOVELTY_SHARE = 0.5
"""The formula's `a`, in [0, 1]: how much new entities count against a new meaning. The paper gives no value; halves
until one is measured."""


def density(
    entities: Collection[str],
    known: Collection[str],
    turns: int,
    *,
    window: Vector,
    history: Vector | None,
    novelty_share: float = NOVELTY_SHARE,
) -> Density:
    """Density of a window, `H(W) = a |E_new| / |W| + (1 - a) (1 - cos(E(W), E(H_prev)))`.

    Parameters
    ----------
    entities
        Entities of the window; E_new are those that are not `known`.
    known
        Entities of the history.
    turns
        |W|, the length of the window in turns (not tokens); at least 1.
    window
        E(W): unit vector of shape (d,), the mean direction of the window's turns.
    history
        E(H_prev): the same of the history; None when there is none, which counts as orthogonal (divergence 1).
    novelty_share
        The formula's `a`, in [0, 1].
    """
    new = len(set(entities) - set(known))
    # Rounding takes the cosine of equal vectors above 1, and a threshold of 0 must keep all.
    cosine = None if history is None else min(1.0, float(np.dot(window, history)))
    divergence = 1.0 - (cosine or 0.0)
    return Density(novelty_share * new / turns + (1.0 - novelty_share) * divergence, new, turns, cosine)


def mean_direction(vectors: Sequence[Vector], weights: Sequence[float] | None = None) -> Vector:
    """Unit vector of shape (d,) along the weighted sum of vectors; at least one, all of the same length.

    Where they cancel out, the first one, since any direction is as good as another then.
    """
    stacked = np.stack(vectors)
    factors = np.ones(len(vectors), dtype=np.float32) if weights is None else np.asarray(weights, dtype=np.float32)
    total = factors @ stacked
    length = float(np.linalg.norm(total))
    return np.asarray(total / length if length > 1e-6 else stacked[0], dtype=np.float32)

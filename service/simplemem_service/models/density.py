"""How much a window of conversation adds, with the terms it follows from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Density:
    """Density of a window with its terms."""

    score: float
    """H(W); above 0 for all but pure repetition, at most `a * novelty + 2 * (1 - a)`."""
    new_entities: int
    """|E_new|: entities of the window that its history does not have."""
    turns: int
    """|W|: length of the window in turns."""
    cosine: float | None
    """cos(E(W), E(H_prev)), in [-1, 1]; None where there is no history, which counts as 0."""

    @property
    def novelty(self) -> float:
        """|E_new| / |W|: new entities a turn."""
        return self.new_entities / self.turns

    @property
    def divergence(self) -> float:
        """1 - cos(E(W), E(H_prev)), in [0, 2]."""
        return 1.0 - (self.cosine or 0.0)

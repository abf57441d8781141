"""Conditions as a status holds them: how they are spelled, and what stands there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simplemem_api.conditions import ConditionType
from simplemem_operator.models.verdict import Verdict

TRUTH = {True: "True", False: "False", None: "Unknown"}
"""How a condition's status is spelled."""
HOLDS = {word: holds for holds, word in TRUTH.items()}
"""And read."""


def condition_of(kind: ConditionType, status: Mapping[str, Any]) -> Mapping[str, Any]:
    """A condition of a status; empty where there is none."""
    return next((found for found in status.get("conditions", ()) if found["type"] == kind), {})


def standing(kind: ConditionType, status: Mapping[str, Any], *, generation: int | None = None) -> Verdict | None:
    """What a status says by a condition; None where it has none.

    Parameters
    ----------
    kind
        Which condition.
    status
        The status.
    generation
        Of which generation of the store it must have been said; None: any.
    """
    found = condition_of(kind, status)
    if not found or generation not in (None, found.get("observedGeneration")):
        return None
    return HOLDS.get(found["status"]), found["reason"], found["message"]

"""What the plans of LanceDB Cloud hold (requirements: section 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simplemem_api.storage_spec import CloudPlan

GIGABYTE = 10**9
"""As vendors count."""


@dataclass(frozen=True, slots=True)
class PlanLimit:
    """What a plan holds."""

    vectors: int
    """Vectors; a store has one for each entry, and those of its sentences inside the entry's row."""
    size_bytes: int
    """Bytes of the tables."""

    def words(self) -> str:
        """As a limit, in words."""
        return f"{self.vectors:,} vectors and {self.size_bytes // GIGABYTE} GB"


PLAN_LIMITS: Mapping[CloudPlan, PlanLimit] = {
    CloudPlan.FREE: PlanLimit(100_000, GIGABYTE),
    CloudPlan.STARTER: PlanLimit(1_000_000, 10 * GIGABYTE),
    CloudPlan.GROWTH: PlanLimit(10_000_000, 100 * GIGABYTE),
}
"""Limits by plan; Enterprise's are by contract."""

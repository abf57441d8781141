"""How long to wait before the next try."""

from __future__ import annotations

import random

from simplemem_service.constants import RETRY_FIRST, RETRY_LONGEST


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubled each time up to the longest, then 50 to 100 % of it."""
    longest: float = min(RETRY_FIRST * 2 ** min(failures - 1, 20), RETRY_LONGEST).total_seconds()
    return random.uniform(0.5, 1) * longest  # noqa: S311 - spreads retries, no secret

"""What a store's machines and storage have cost this month, as the operator counts it for stores with a budget.

The operator keeps the figure in a file beside the settings; the kubelet brings a new one within a minute or two, and no
pod starts anew for it. Without an operator there is none: a laptop's budget is for models alone.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

logger = logging.getLogger(__name__)


class Machines:
    """The figure of the month.

    Parameters
    ----------
    path
        The file, `{"machinesUSD": "12.34", "month": "2026-03"}`; None: there is none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def usd(self, month: str) -> float:
        """US dollars in a month such as 2026-03; 0 where nothing is known of it."""
        if self._path is None:
            return 0.0
        try:
            found = json.loads(self._path.read_bytes())
            return float(found["machinesUSD"]) if found["month"] == month else 0.0
        except FileNotFoundError:
            return 0.0
        except (OSError, KeyError, TypeError, ValueError) as error:
            # Models are counted all the same.
            logger.warning("cost of the machines cannot be read", extra={"error": type(error).__name__})
            return 0.0

"""Programs of Debian that tests run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.debian import unpacked
from tests.harness.errors import HarnessError


def tool(package: str, program: str) -> Path:
    """Path of a program; the test is skipped, with the reason, where the package cannot be had."""
    try:
        return unpacked(package, program)
    except HarnessError as error:
        pytest.skip(f"no {program}: {error}")

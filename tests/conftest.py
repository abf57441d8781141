"""Options of the whole test run."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

NO_SKIPS = "SIMPLEMEM_NO_SKIPS"
"""Set to anything, has a test fail that would be skipped for want of a tool or data."""
MAY_SKIP = ("`make test-", "LoCoMo", "syft")
"""What a reason names that is built or fetched on demand only."""

# How long an example takes says more of the machine than of the code. Where a change is to land, the examples are
# always the same: a rare one that fails for the first time should not be held against somebody else's change.
settings.register_profile(
    "simplemem",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
    print_blob=True,
)
settings.load_profile("simplemem")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected outputs instead of comparing")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and os.environ.get(NO_SKIPS):
        reason = str(report.longrepr[2])
        if not any(word in reason for word in MAY_SKIP):
            report.outcome, report.longrepr = "failed", f"{NO_SKIPS} is set: {reason}"
    return report

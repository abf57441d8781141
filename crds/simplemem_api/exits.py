"""Exit codes of all our command lines."""

from __future__ import annotations

DONE = 0
"""Done."""
FAILED = 1
"""Nothing found, not ready, or it failed."""
USAGE = 2
"""Wrong usage or settings."""
UNREACHABLE = 3
"""The service, the store or the API server does not answer."""
REFUSED = 4
"""Not allowed: the token or the right is missing, wrong, or not enough."""
INTERRUPTED = 130
"""Interrupted."""

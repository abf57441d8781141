"""Texts of libraries and servers made fit for logs: without keys, and short."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

SHOWN_CHARS = 200
"""How much of a remote text is repeated, in characters."""
LEAST_SECRET_CHARS = 6
"""Shorter values are no keys; hiding every "1" would make a text unreadable."""

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_LOOKS_SECRET = re.compile(r"(?i)(?:\bsk-|\bkey[-=]|bearer\s+|api[_-]?key['\"]?\s*[:=]\s*['\"]?)[\w.*/+=-]{4,}")
_SPACE = re.compile(r"\s+")


def scrub(text: str, environment: Mapping[str, str] | None = None) -> str:
    """The beginning of a text in one line, with `***` for what is or looks like a key.

    Parameters
    ----------
    text
        What a library or server said.
    environment
        Where the keys are; default: the environment of the process.
    """
    values = (os.environ if environment is None else environment).items()
    secrets = {value for name, value in values if _SECRET_NAME.search(name) and len(value) >= LEAST_SECRET_CHARS}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _SPACE.sub(" ", _LOOKS_SECRET.sub("***", text)).strip()[:SHOWN_CHARS]

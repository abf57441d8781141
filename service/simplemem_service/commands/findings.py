"""What a check of `simplemem doctor` gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    check: str
    """What was looked at."""
    state: State
    """Whether it is as it must be; a note is something that only some stores need, or that cannot be told from here."""
    found: str
    """What is there."""
    next_step: str = ""
    """What to do about it; empty where nothing needs to be done."""

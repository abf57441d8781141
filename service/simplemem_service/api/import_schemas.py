"""What an import is told, and an example of one."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

IMPORT_EXAMPLE = (
    '{"kind": "turn", "id": "m-1", "user_id": "ada", "session_id": "monday", "speaker": "Ada", '
    '"text": "I moved to Rome.", "timestamp": "2026-03-01T10:00:00Z"}\n'
    '{"kind": "entry", "user_id": "ada", "lossless_restatement": "Ada moved to Rome on 1 March 2026."}\n'
)


class ImportOut(BaseModel):
    """What came of an import."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    lines: int
    """Lines read."""
    turns: int
    """Turns among them."""
    entries: int
    """Entries among them."""
    written: int
    """Entries written."""
    unchanged: int
    """Entries that were there already."""
    verified: bool
    """Whether an end line confirmed counts and digest."""

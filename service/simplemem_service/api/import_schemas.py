"""What an import is told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ImportOut(BaseModel):
    """What came of an import."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"lines": 3, "turns": 1, "entries": 1, "written": 1, "unchanged": 0, "verified": True}]
        },
    )

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

"""Sliding windows over the turns of one session (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from simplemem_service.models.entry import Turn

LONG_PAUSE = timedelta(hours=4)
"""Silence that ends a window: after it people seldom go on with the same matter."""


@dataclass(frozen=True, slots=True)
class Window:
    """A run of turns that is judged and compressed together."""

    turns: tuple[Turn, ...]
    """The turns that are new in this window; every turn is new in exactly one."""
    overlap: tuple[Turn, ...]
    """The turns just before them, for context; those of an earlier window, none after a pause."""


def slide(turns: Sequence[Turn], *, size: int, overlap: int, pause: timedelta = LONG_PAUSE) -> list[Window]:
    """Windows of at most `size` turns, the `overlap` from the window before included.

    Parameters
    ----------
    turns
        Turns of one session, in order.
    size
        Longest window in turns; at least 1.
    overlap
        Turns of the window before that are shown again; in [0, size).
    pause
        Silence that ends a window early and shows nothing again.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap is {overlap} turns; it must be at least 0 and less than the window's {size}")
    windows: list[Window] = []
    for run in _runs(turns, pause):
        start = 0
        while start < len(run):
            shown = min(overlap, start)
            end = start + size - shown
            windows.append(Window(tuple(run[start:end]), tuple(run[start - shown : start])))
            start = end
    return windows


def _runs(turns: Sequence[Turn], pause: timedelta) -> list[list[Turn]]:
    """The turns between one long pause and the next; turns without a time pause nothing."""
    runs: list[list[Turn]] = []
    for turn in turns:
        before = runs[-1][-1].timestamp if runs else None
        is_late = before is not None and turn.timestamp is not None and turn.timestamp - before >= pause
        if not runs or is_late:
            runs.append([])
        runs[-1].append(turn)
    return runs

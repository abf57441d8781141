"""How far something is that takes long: a bar for people, lines for logs."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

LINE_SECONDS = 10.0
"""Least time between two lines of the same phase, in seconds."""


class Phases:
    """Shows on standard error how far each phase is."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=self._console) if self._console.is_terminal else None
        self._task: TaskID | None = None
        self._phase = ""
        self._next_line = 0.0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, phase: str, done: int, total: int) -> None:
        """Tell of a phase; a total of 0 is not known yet."""
        if self._bar is not None:
            if self._task is None or phase != self._phase:
                self._task = self._bar.add_task(phase, total=None)
            self._bar.update(self._task, completed=done, total=total or None)
        elif phase != self._phase or time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_SECONDS
            share = f" {done} of {total} ({100 * done // total} %)" if total else ""
            self._console.print(f"{phase}{share}", highlight=False)
        self._phase = phase

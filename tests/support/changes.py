"""A list of rows that a follower can read, standing in for the table where only the views are tested."""

from __future__ import annotations

from collections.abc import Sequence

from simplemem_service.models.entry import EmbeddedEntry
from simplemem_service.storage.base import Changes


class Rows:
    """Rows and deletions, in the order of their writing; the version is their number."""

    def __init__(self, rows: Sequence[EmbeddedEntry]) -> None:
        self.rows: list[EmbeddedEntry | str] = list(rows)
        self.failures: list[Exception] = []
        self.reads: list[int | None] = []

    async def read_changes(self, since: int | None) -> Changes:
        self.reads.append(since)
        if self.failures:
            raise self.failures.pop(0)
        alive: dict[str, EmbeddedEntry] = {}
        deleted: list[str] = []
        for change in self.rows[since or 0 :]:
            if isinstance(change, str):
                alive.pop(change, None)
                deleted.append(change)
            else:
                alive[change.entry.entry_id] = change
        return Changes(
            version=len(self.rows),
            upserted=tuple(alive.values()),
            deleted=() if since is None else tuple(deleted),
            is_complete=since is None,
        )

"""Upkeep of a LanceDB table by its one writer: few fragments, few versions, indexed columns.

Every commit leaves a fragment and a version; thousands of them slow every query and fill the disk with manifests
(2,000 single-row appends: queries 30 times slower, 204 MB; lancedb 0.40). So every fifty commits the fragments become
one, new rows go into the indices, and versions go that are older than the retention. That is a time, for the sake of
readers; where commits come so fast that their number would grow too large within it, it is shortened.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from lancedb.index import Bitmap, BTree, LabelList

from simplemem_service.constants import MAINTENANCE_RETENTION, SCALAR_INDEX_ROWS

VERSIONS_MAX = 1_000
"""Versions kept of a table where they may go earlier than by their age; at 100 KB each they take 100 MB."""
LEAST_RETENTION = timedelta(minutes=1)
"""Age below which no version goes, however many there are. A reader is two seconds behind at most; one that starts and
needs longer for its first look at the table begins again."""
HELD_RETENTION = timedelta(days=365)
"""Age below which versions stay while one of them is being copied."""
SEGMENTS_MAX = 8
"""Segments of an index beyond which they are merged: each new one adds to every look-up."""

ENTRY_INDICES: Mapping[str, type] = {
    "entry_id": BTree,
    "position": BTree,
    "timestamp": BTree,
    "session_id": BTree,
    "user_id": Bitmap,
    "persons": LabelList,
}
"""Columns that entries are looked up by, and the kind of index for each."""
TURN_INDICES: Mapping[str, type] = {"key": BTree, "position": BTree, "user_id": Bitmap}
"""The same of turns."""
HISTORY_INDICES: Mapping[str, type] = {"key": BTree, "entry_id": BTree}
"""The same of revisions."""


class Upkeep:
    """Maintains one table.

    Parameters
    ----------
    indices
        Columns to look up by and the kind of index for each, made once the table is large enough for that to pay.
    clock
        Gives seconds that never go back.
    """

    def __init__(self, indices: Mapping[str, type], clock: Callable[[], float] = time.monotonic) -> None:
        self._indices = indices
        self._clock = clock
        self._marks: list[tuple[float, int]] = []
        self.is_held = False
        """Whether no version may go: one of them is being copied."""

    async def run(self, table: Any) -> None:
        """Compact the table, take new rows into its indices, and drop old versions; for the writer's handle."""
        await self.index(table)
        await table.optimize(cleanup_older_than=self.retention(int(await table.version())))
        await _merge_segments(table)

    async def index(self, table: Any) -> None:
        """Make the indices that the table lacks, once it is large enough; for the writer's handle."""
        if await table.count_rows() >= SCALAR_INDEX_ROWS:
            present = {column for index in await table.list_indices() for column in index.columns}
            for column, kind in self._indices.items():
                if column not in present:
                    await table.create_index(column, config=kind())

    def retention(self, version: int) -> timedelta:
        """Age from which versions may go, given the table's present one."""
        if self.is_held:
            return HELD_RETENTION
        now = self._clock()
        self._marks.append((now, version))
        surplus = [mark for mark in self._marks if mark[1] <= version - VERSIONS_MAX]
        if not surplus:
            return MAINTENANCE_RETENTION
        # Of what is surplus only the latest mark will be asked for again.
        self._marks = self._marks[len(surplus) - 1 :]
        age = timedelta(seconds=now - surplus[-1][0])
        return min(max(age, LEAST_RETENTION), MAINTENANCE_RETENTION)


async def _merge_segments(table: Any) -> None:
    """Make one segment of each index that has too many."""
    for index in await table.list_indices():
        stats = await table.index_stats(index.name)
        segments = stats.num_indices if stats is not None else 0
        if (segments or 0) > SEGMENTS_MAX:
            dataset = await table.to_lance()
            await asyncio.to_thread(
                dataset.optimize.optimize_indices, index_names=[index.name], num_indices_to_merge=segments
            )
            await table.checkout_latest()

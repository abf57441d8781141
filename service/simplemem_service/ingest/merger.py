"""Merges clusters of related entries by a language model, beside the writer and never in its way.

A task asks the model for one cluster after another; what it replies waits until the writer has nothing else to do.
The clusters that wait are in memory only: a restart forgets them, which loses no entry, and `Synthesize` finds them
again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from simplemem_service.embedding.base import Embedding
from simplemem_service.errors import BudgetExceededError, LlmError, LlmRejectedError, ServiceError
from simplemem_service.ingest.positions import Positions
from simplemem_service.llm.base import LanguageModel
from simplemem_service.models.entry import EmbeddedEntry, Entry
from simplemem_service.models.revision import ChangeKind, Revision
from simplemem_service.pipeline.density import mean_direction
from simplemem_service.pipeline.llm_synthesize import MERGED_BY, merge_entries
from simplemem_service.pipeline.replies import InvalidReplyError
from simplemem_service.pipeline.sentences import split_sentences
from simplemem_service.pipeline.synthesize import affinities, find_clusters, mean_vector, told_at
from simplemem_service.storage.base import Storage

logger = logging.getLogger(__name__)

CLUSTERS_WAITING = 200
"""Clusters that wait for the model; further ones are left alone."""
COMPARED_ENTRIES = 500
"""Latest entries of a user among which those related to new ones are looked for."""


class Merger:
    """Makes one entry of several.

    Parameters
    ----------
    storage, embedding, model, positions
        What it works with.
    clock
        The present time, aware.
    """

    def __init__(
        self,
        storage: Storage,
        embedding: Embedding,
        model: LanguageModel,
        positions: Positions,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._embedding = embedding
        self._model = model
        self._positions = positions
        self._clock = clock
        self._waiting: deque[tuple[str, ...]] = deque()
        self._ready: deque[tuple[tuple[str, ...], Entry]] = deque()
        self._task: asyncio.Task[None] | None = None
        self.on_ready: Callable[[], None] = lambda: None
        """Called when something waits to be written."""

    async def offer(self, user_id: str, fresh: Sequence[EmbeddedEntry]) -> None:
        """Look for clusters that new entries of a user form with those before, and have them merged some time."""
        after = max(-1, fresh[0].entry.position - COMPARED_ENTRIES)
        rows = await self._storage.list_embedded(user_id, after=after, limit=2 * COMPARED_ENTRIES)
        new = {row.entry.entry_id for row in fresh}
        rows = sorted((row for row in rows if _is_mergeable(row.entry)), key=lambda row: row.entry.entry_id in new)
        first = next((place for place, row in enumerate(rows) if row.entry.entry_id in new), len(rows))
        if first == len(rows):
            return
        vectors = np.stack([mean_vector(row.sentences, row.embedding) for row in rows])
        hours = np.array([told_at(row.entry).timestamp() / 3600 for row in rows])
        weights = await asyncio.to_thread(affinities, vectors, hours, first=first)
        for cluster in find_clusters(weights, first):
            if len(self._waiting) < CLUSTERS_WAITING:
                self._waiting.append(tuple(rows[place].entry.entry_id for place in cluster))
        if self._waiting and self._task is None:
            self._task = asyncio.create_task(self._ask())

    async def write_ready(self) -> bool:
        """Write one merged entry that the model has made; whether there was one."""
        if not self._ready:
            return False
        ids, merged = self._ready.popleft()
        members = [row for row in await self._storage.read_embedded(ids) if row.entry.superseded_by is None]
        if len(members) < len(ids):
            # Changed or removed while the model wrote.
            return False
        now = self._clock()
        entry = replace(merged, position=await self._positions.take_entries(1), created_at=now)
        await self._storage.add_entries([await self._embed(entry, members)])
        cause = f"merge-{entry.entry_id}"
        await self._storage.add_history(
            [
                Revision(row.entry.entry_id, row.entry.user_id, now, cause, ChangeKind.MERGED, row.entry)
                for row in members
            ]
        )
        await self._storage.update_entries(
            [replace(row, entry=replace(row.entry, superseded_by=entry.entry_id)) for row in members]
        )
        logger.info("entries merged", extra={"entries": len(members), "cause": cause})
        return True

    def forget(self) -> None:
        """Let go of what waits: entries were changed or removed."""
        self._waiting.clear()
        self._ready.clear()

    async def stop(self) -> None:
        """Ask no more."""
        self.forget()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _ask(self) -> None:
        """Have the model merge what waits, one cluster after another; what fails is left as it is."""
        try:
            while self._waiting:
                ids = self._waiting.popleft()
                members = await self._members(ids)
                if len(members) < len(ids):
                    continue
                try:
                    merged = await merge_entries(self._model, members)
                except (LlmError, LlmRejectedError, BudgetExceededError, InvalidReplyError) as error:
                    logger.info("cluster not merged", extra={"entries": list(ids), "error": type(error).__name__})
                    continue
                if merged is not None:
                    self._ready.append((ids, merged))
                    self.on_ready()
        except ServiceError as error:
            logger.warning("clusters left alone", extra={"error": str(error)})
        finally:
            self._task = None

    async def _members(self, ids: Sequence[str]) -> list[Entry]:
        return [row.entry for row in await self._storage.read_embedded(ids)]

    async def _embed(self, entry: Entry, members: Iterable[EmbeddedEntry]) -> EmbeddedEntry:
        sentences = await self._embedding.encode_documents(list(split_sentences(entry.lossless_restatement)))
        return EmbeddedEntry(entry, mean_direction([row.embedding for row in members]), tuple(sentences))


def _is_mergeable(entry: Entry) -> bool:
    return entry.superseded_by is None and not (entry.compressed_by or "").startswith(MERGED_BY)

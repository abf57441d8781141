"""Builds the vectors of another model beside those in use, and checks them.

Entries are read by position, a batch at a time, encoded as the write path encodes them, and written to the second
table. What comes or changes meanwhile is told by the versions of the table in use, and copied in further rounds. A
round ends with what was there when it came to its end, however much goes on being written. A builder that takes over
from one that died goes on behind the last entry copied.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from simplemem_service.embedding.base import Embedding
from simplemem_service.errors import ReembedError
from simplemem_service.ingest.given import GivenEntries
from simplemem_service.models.entry import EmbeddedEntry, Entry
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.lance_copy import EntryCopy

FEW = 64
"""Changed entries that are copied while the writer waits: about a second's work."""
PATIENT_ROUNDS = 8
"""Rounds after which as many more are: a store that is written to as fast as it is copied waits longer, and gets there.
"""
REST_SHARE = 0.25
"""Pause after each batch as a share of the time it took, so that searches and turns are not starved."""
MAINTAINED_BATCHES = 50
"""Batches after which the second table is compacted."""
SAMPLED = 32
"""Entries whose vectors are made once more and compared."""
LEAST_COSINE = 0.99
"""Least cosine of a stored vector of a sentence and the same made again: 8-bit weights vary by about .002 with what
else is in a batch."""
KEYS_AT_ONCE = 500
"""Entries removed in one statement."""


class Builder:
    """Fills the second table of one job.

    Parameters
    ----------
    copy
        The second table.
    given
        Makes the new vectors of stored entries.
    embedding
        The new model.
    check
        Called before each commit; raises if this process may not write any more.
    """

    def __init__(self, copy: EntryCopy, given: GivenEntries, embedding: Embedding, check: Callable[[], None]) -> None:
        self._copy = copy
        self._given = given
        self._embedding = embedding
        self._check = check
        self._batches = 0
        self._rounds = 0
        self.seen = 0
        """Version of the table in use, by its own count, up to which all is copied."""

    async def build(self, since: int, started: int) -> None:
        """Copy all that is to be copied but for the last few, and check it.

        Parameters
        ----------
        since
            Version of the table in use after which entries are to be copied; 0: all.
        started
            Its version when the job began.

        Raises `ReembedError` if the vectors are not what they should be.
        """
        await self._copy.open()
        if since:
            self.seen = since
        else:
            await self._round(0, await self._copy.last_copied())
            self.seen = started
        await self.approach()
        await self._copy.maintain()
        await self._verify()

    async def approach(self) -> None:
        """Copy until so little is left that the writer can wait for it."""
        while not await self.is_close():
            await self._catch_up()
            self._rounds += 1

    async def is_close(self) -> bool:
        """Whether so little is left that the writer can wait for it."""
        few = FEW * (1 + self._rounds // PATIENT_ROUNDS)
        return await self._copy.count_changed(self.seen) <= few

    async def _catch_up(self) -> None:
        """Copy what was written or rewritten since the last round."""
        version = await self._copy.source_version()
        if version != self.seen:
            await self._round(self.seen, -1)
            self.seen = version

    async def settle(self) -> int:
        """Make the two tables hold the same entries, while nobody writes; how many there are. Raises `ReembedError`."""
        await self._catch_up()
        ours, theirs = await self._copy.counts()
        differing = await self._copy.differences()
        for start in range(0, len(differing), KEYS_AT_ONCE):
            await self._copy.remove(differing[start : start + KEYS_AT_ONCE])
        ours, theirs = await self._copy.counts()
        if ours != theirs:
            raise ReembedError(f"the new table holds {ours} entries, the one in use {theirs}")
        return ours

    async def identity(self, former: StoreIdentity) -> StoreIdentity:
        """What the store is once the second table is in use: versions go on where those of the table before end."""
        base = former.base + self.seen + 1
        version = await self._copy.target_version()
        return replace(self._copy.target, base=base - version, synced=version)

    async def _round(self, since: int, after: int) -> None:
        while True:
            started = time.monotonic()
            batch = await self._copy.read(since, after)
            if not batch.entries:
                return
            rows = await self._embed(batch.entries, are_neighbours=not since)
            self._check()
            await self._copy.write(rows)
            after = batch.last
            self._batches += 1
            if self._batches % MAINTAINED_BATCHES == 0:
                await self._copy.maintain()
            if batch.is_end:
                return
            await asyncio.sleep(REST_SHARE * (time.monotonic() - started))

    async def _embed(self, entries: Sequence[Entry], *, are_neighbours: bool) -> list[EmbeddedEntry]:
        """Entries with their new vectors; neighbours of a session share the work."""
        return await (self._given.embed(entries) if are_neighbours else self._given.restore(entries))

    async def _verify(self) -> None:
        unusable = await self._copy.count_unusable()
        if unusable:
            raise ReembedError(f"{unusable} entries have a vector by '{self._embedding.model}' that is no unit vector")
        stored = await self._copy.sample(SAMPLED)
        for old, new in zip(stored, await self._given.restore([row.entry for row in stored]), strict=True):
            worst = min((float(np.dot(a, b)) for a, b in zip(old.sentences, new.sentences, strict=True)), default=1.0)
            if worst < LEAST_COSINE:
                raise ReembedError(
                    f"entry '{old.entry.entry_id}' has a vector of cosine {worst:.3f} to the same made again by "
                    f"'{self._embedding.model}'; at least {LEAST_COSINE} must hold"
                )

"""Runs stage 2 on what is new: a few entries at a time, when nothing waits to be remembered.

What of a user's entries must be known, who said what of which attribute and the vectors of the latest, is kept in
memory for the users of late and read again for others. How far the store has been looked through is a name in
`synthesis/`; losing it costs a second look and no data, since finding a thing again changes nothing.

All of it is done in small slices in a thread, and between two of them searches come first (`pace.py`).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from simplemem_service.ingest.merger import Merger
from simplemem_service.ingest.pace import Pace
from simplemem_service.models.entry import EmbeddedEntry, Entry
from simplemem_service.models.operation import JournaledOperation, OperationKind, OperationResult, OperationState
from simplemem_service.models.revision import ChangeKind, Revision
from simplemem_service.pipeline.attributes import find_facts
from simplemem_service.pipeline.synthesize import (
    Said,
    Supersession,
    Told,
    find_duplicates,
    find_superseded,
    mean_vector,
    said_by,
    told_at,
)
from simplemem_service.storage.base import Storage
from simplemem_service.storage.blobs import BlobStore

logger = logging.getLogger(__name__)

CURSORS = "synthesis"
STEP_ENTRIES = 200
"""Entries looked at in one step."""
STEP_SECONDS = 0.2
"""How long a step goes on, in seconds, and new turns may have to wait for it; a page of one user is read to its end."""
PAGE_ENTRIES = 500
"""Entries read at once when a user's are read anew: the interpreter is busy for 12 ms with making objects of them."""
SLICE_ENTRIES = 25
"""Entries taken in at a time, some 5 ms of work for the interpreter."""
VECTORS_KEPT = 2_000
"""Latest entries of a user that new ones are compared with by vector, 1.5 MB at 384 dimensions."""
ROWS_KEPT = 120_000
"""Entries of all users together that stay in memory to be compared with, 150 MB at 384 dimensions. With fewer users
kept, those whose sessions alternate would be read anew for each session."""
USERS_KEPT = 1_000
"""Users of whom anything stays in memory."""
STEP_PAUSE_SECONDS = 1.0
"""Least time between two steps while turns stream in, so that their commits stay few."""


@dataclass(slots=True)
class UserMemory:
    """What stage 2 knows of one user."""

    facts: list[Told] = field(default_factory=list)
    """What was told of attributes that can change."""
    said: list[Said] = field(default_factory=list)
    """Entries that new ones are compared with."""
    vectors: npt.NDArray[np.float16] = field(default_factory=lambda: np.empty((0, 0), dtype=np.float16))
    """Their vectors, shape (len(said), d), as exact as the table has them."""

    def absorb(self, rows: Sequence[EmbeddedEntry], *, compares: bool = True) -> list[Supersession]:
        """Take in new entries; what they make obsolete, or are made obsolete by, where they are to be compared."""
        for row in rows:
            entry = row.entry
            # A language model restates what the words leave open; the rules only add to the words.
            stated = (find_facts(text, entry.speaker, entry.persons) for text in _wordings(entry))
            for fact in dict.fromkeys(fact for found in stated for fact in found):
                self.facts.append(Told(entry.entry_id, told_at(entry), entry.position, fact))
        first = len(self.said)
        compared = [(said, row) for row in rows if (said := said_by(row.entry)) is not None]
        if compared:
            new = np.stack([mean_vector(row.sentences, row.embedding) for _, row in compared]).astype(np.float16)
            self.vectors = np.concatenate([self.vectors, new]) if first else new
            self.said += [said for said, _ in compared]
        changed: list[Supersession] = []
        if compares:
            changed = find_superseded(self.facts, frozenset(row.entry.entry_id for row in rows))
            known = {one.old for one in changed}
            repeated = find_duplicates(self.said, self.vectors.astype(np.float32), first) if compared else []
            changed += [one for one in repeated if one.old not in known]
        surplus = len(self.said) - VECTORS_KEPT
        if surplus > 0:
            del self.said[:surplus]
            self.vectors = self.vectors[surplus:].copy()
        return changed


@dataclass(slots=True)
class _Loading:
    """A user whose entries are being read."""

    user_id: str
    """Whose."""
    memory: UserMemory = field(default_factory=UserMemory)
    """What was read."""
    after: int = -1
    """Position of the last entry read."""


class Synthesizer:
    """Supersedes entries by rules, and has related ones merged where there is a language model.

    Parameters
    ----------
    storage, blobs
        Where entries and the place reached lie.
    clock
        The present time, aware.
    merger
        Merges what the rules leave, where there is a language model.
    pace
        When it may go on.
    """

    def __init__(
        self,
        storage: Storage,
        blobs: BlobStore,
        clock: Callable[[], datetime],
        merger: Merger | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._merger = merger
        self._pace = pace or Pace()
        self._storage = storage
        self._blobs = blobs
        self._clock = clock
        self._users: OrderedDict[str, UserMemory] = OrderedDict()
        self._loading: _Loading | None = None
        self._cursor: int | None = None
        self._next_step = 0.0
        self._has_work = True

    def wake(self) -> None:
        """There are new entries."""
        self._has_work = True

    async def step(self) -> bool:
        """Look at the next new entries, as many as the time of a step allows; whether any were superseded."""
        now = asyncio.get_running_loop().time()
        if not self._has_work or now < self._next_step:
            return False
        cursor = await self._read_cursor()
        rows = await self._storage.list_embedded(None, after=cursor, limit=STEP_ENTRIES)
        done, changed = await self._look_at(rows, now + STEP_SECONDS)
        if done:
            await self._write_cursor(cursor, rows[done - 1].entry.position)
        self._has_work = done < len(rows) or len(rows) == STEP_ENTRIES
        self._next_step = now if self._has_work else now + STEP_PAUSE_SECONDS
        return changed > 0

    async def _look_at(self, rows: Sequence[EmbeddedEntry], deadline: float) -> tuple[int, int]:
        """How many of the rows were looked at until a time, and how many entries were superseded."""
        done = changed = 0
        while done < len(rows):
            user_id, first = rows[done].entry.user_id, rows[done].entry.position
            memory = await self._memory(user_id, first - 1, deadline)
            if memory is None:
                break
            run = _run_of(user_id, rows[done:])
            found = await self._absorb(memory, run)
            changed += (await self._apply(found, f"synthesis-{first}-{run[-1].entry.position}"))[0]
            await self._offer(user_id, run)
            done += len(run)
            if self._is_over(deadline):
                break
        return done, changed

    async def rerun(self, accepted: JournaledOperation) -> OperationResult:
        """Look at all entries of the operation's user again."""
        user_id = accepted.operation.user_id
        self.forget(user_id)
        memory, found = UserMemory(), []
        async for page in self._pages(user_id):
            found += await self._absorb(memory, page)
        changed, version = await self._apply(found, accepted.operation_id)
        async for page in self._pages(user_id):
            for start in range(0, len(page), STEP_ENTRIES):
                await self._offer(user_id, page[start : start + STEP_ENTRIES])
        return OperationResult(
            OperationState.SUCCEEDED, turns=0, entries=changed, version=version, kind=OperationKind.SYNTHESIZE
        )

    def forget(self, user_id: str | None = None) -> None:
        """Read everything anew, or all of a user: entries were changed or removed, or another process has written."""
        if user_id is None:
            self._users.clear()
            self._cursor = None
        self._users.pop(user_id or "", None)
        self._loading = None
        if self._merger is not None:
            self._merger.forget()
        self._has_work = True

    async def _offer(self, user_id: str, rows: Sequence[EmbeddedEntry]) -> None:
        if self._merger is not None:
            await self._merger.offer(user_id, rows)

    async def _memory(self, user_id: str, until: int, deadline: float) -> UserMemory | None:
        """What is known of a user's entries up to a position; None where reading it goes on in the next step."""
        memory = self._users.get(user_id)
        if memory is None:
            if self._loading is None or self._loading.user_id != user_id:
                self._loading = _Loading(user_id)
            loading = self._loading
            while not await self._load_page(loading, until):
                if self._is_over(deadline):
                    return None
            self._loading = None
            memory = self._users[user_id] = loading.memory
        self._users.move_to_end(user_id)
        kept = sum(len(one.said) for one in self._users.values())
        while len(self._users) > 1 and (len(self._users) > USERS_KEPT or kept > ROWS_KEPT):
            kept -= len(self._users.popitem(last=False)[1].said)
        return memory

    async def _absorb(
        self, memory: UserMemory, rows: Sequence[EmbeddedEntry], *, compares: bool = True
    ) -> list[Supersession]:
        """Take entries into a memory, a slice at a time."""
        found: list[Supersession] = []
        for start in range(0, len(rows), SLICE_ENTRIES):
            part = rows[start : start + SLICE_ENTRIES]
            found += await asyncio.to_thread(memory.absorb, part, compares=compares)
            await self._pace.rest()
        return found

    def _is_over(self, deadline: float) -> bool:
        return self._pace.is_ending or asyncio.get_running_loop().time() > deadline

    async def _load_page(self, loading: _Loading, until: int) -> bool:
        """Read some more of a user's entries; whether that were all."""
        rows = await self._storage.list_embedded(loading.user_id, after=loading.after, limit=PAGE_ENTRIES)
        wanted = [row for row in rows if row.entry.position <= until]
        if wanted:
            await self._absorb(loading.memory, wanted, compares=False)
            loading.after = wanted[-1].entry.position
        return len(wanted) < PAGE_ENTRIES

    async def _pages(self, user_id: str) -> AsyncIterator[list[EmbeddedEntry]]:
        """A user's entries, a page at a time."""
        after = -1
        while rows := await self._storage.list_embedded(user_id, after=after, limit=PAGE_ENTRIES):
            yield rows
            after = rows[-1].entry.position

    async def _apply(self, found: Sequence[Supersession], cause: str) -> tuple[int, int]:
        """Write what is not written yet; how many entries changed, and the table's version."""
        by_old = {one.old: one for one in found}
        rows = await self._storage.read_embedded(list(by_old))
        held = [row for row in rows if row.entry.superseded_by is None]
        now = self._clock()
        history = [
            Revision(row.entry.entry_id, row.entry.user_id, now, cause, ChangeKind.SUPERSEDED, row.entry)
            for row in held
        ]
        await self._storage.add_history(history)
        version = await self._storage.update_entries([_superseded(row, by_old[row.entry.entry_id]) for row in held])
        if held:
            logger.info("entries superseded", extra={"entries": len(held), "cause": cause})
        return len(held), version

    async def _read_cursor(self) -> int:
        if self._cursor is None:
            names = await self._blobs.list_names(CURSORS)
            self._cursor = max((int(name) for name in names if name.isdigit()), default=-1)
        return self._cursor

    async def _write_cursor(self, before: int, after: int) -> None:
        await self._blobs.put_new(f"{CURSORS}/{after:019d}", b"")
        if before >= 0:
            await self._blobs.delete(f"{CURSORS}/{before:019d}")
        self._cursor = after


def _run_of(user_id: str, rows: Sequence[EmbeddedEntry]) -> list[EmbeddedEntry]:
    """The rows of one user with which the sequence begins."""
    return list(itertools.takewhile(lambda row: row.entry.user_id == user_id, rows))


def _superseded(row: EmbeddedEntry, found: Supersession) -> EmbeddedEntry:
    until = row.entry.valid_until or found.valid_until
    return replace(row, entry=replace(row.entry, superseded_by=found.new, valid_until=until))


def _wordings(entry: Entry) -> tuple[str, ...]:
    is_restated = entry.compressed_by is not None and entry.compressed_by.startswith("llm")
    return (entry.text, entry.lossless_restatement) if is_restated else (entry.text,)

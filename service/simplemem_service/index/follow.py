"""Keeps all views at one version of the table, so that a search sees a change in every view or in none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from simplemem_service.errors import IndexBrokenError
from simplemem_service.index.base import LexicalSnapshot, LexicalView, Loadable, VectorSnapshot, VectorView
from simplemem_service.index.catalogue import Catalogue
from simplemem_service.index.guarded import GuardedSnapshot
from simplemem_service.models.entry import CANARY_USER
from simplemem_service.storage.base import Changes
from simplemem_service.storage.entry_rows import batches_of

OWN_ROWS = 16
"""Changed rows at the most that may all be the service's own; more are not looked through."""


class ChangeSource(Protocol):
    """Where changes come from; every `Storage` is one."""

    async def read_changes(self, since: int | None) -> Changes:
        """What changed after version `since`; the whole table for None."""


@dataclass(frozen=True, slots=True)
class Views:
    """All views at one version of the table; what one search works on."""

    version: int | None
    """Version of the table; None before the first one was read."""
    content: int | None
    """The version with which what users find changed last; later ones hold upkeep and the service's own checks."""
    lexical: LexicalSnapshot
    """Words."""
    vectors: VectorSnapshot
    """Meaning."""
    catalogue: Catalogue
    """Entries by id, and metadata; it alone may be newer than `version`."""


class Follower:
    """Reads the table's changes and hands them to the views.

    Parameters
    ----------
    storage
        Where the table is; the truth.
    lexical, vectors, catalogue
        The views, empty. The follower alone writes them.
    """

    def __init__(self, storage: ChangeSource, lexical: LexicalView, vectors: VectorView, catalogue: Catalogue) -> None:
        self._storage = storage
        self._lexical = lexical
        self._vectors = vectors
        self._catalogue = catalogue
        self._turn = asyncio.Lock()
        self._pending = 0
        self._is_broken = False
        self._views = self._snapshot(None, None)
        self.on_removed: Callable[[], None] = lambda: None
        """Called where entries of users were removed, for whatever else in this process holds their words."""

    @property
    def views(self) -> Views:
        """All views as they stand; take it once a search."""
        return self._views

    @property
    def version(self) -> int | None:
        """Version of the table that searches see; None before the first one was read."""
        return self._views.version

    @property
    def lag(self) -> int:
        """Rows read from the table that searches do not see yet."""
        return self._pending

    async def catch_up(self) -> int:
        """Take over what changed in the table since the last call, and return how many rows did.

        A view that turns out to be broken, here or in a search before, is built anew from the whole table within the
        same call; raises `IndexBrokenError` if that fails too, and `StorageUnavailableError` if the table cannot be
        read. Searches go on meanwhile with what they saw before.
        """
        async with self._turn:
            try:
                return await self._advance()
            except IndexBrokenError:
                self._is_broken = True
                return await self._advance()
            finally:
                self._pending = 0

    @property
    def is_broken(self) -> bool:
        """Whether the next `catch_up` builds the views anew, though the table may not have changed."""
        return self._is_broken

    @property
    def is_tidy(self) -> bool:
        """Whether no view keeps words of removed entries on disk."""
        return self._lexical.is_tidy

    async def tidy(self) -> None:
        """Take some of the words of removed entries out of what the views keep on disk.

        A view that turns out to be broken is built anew by the next `catch_up`.
        """
        async with self._turn:
            try:
                await asyncio.to_thread(self._lexical.tidy)
            except IndexBrokenError:
                self._is_broken = True
            else:
                # What was published before keeps the files that are gone.
                self._views = self._snapshot(self.version, self._views.content)

    async def _advance(self) -> int:
        since = None if self._is_broken else self.version
        changes = await self._storage.read_changes(since)
        if changes.version == since:
            return 0
        count = self._pending = len(changes.upserted) + len(changes.deleted)
        before = self._views.content
        self._views = await asyncio.to_thread(self._apply, changes)
        self._is_broken = False
        if changes.deleted and self._views.content != before:
            self.on_removed()
        return count

    def _apply(self, changes: Changes) -> Views:
        content = self._views.content if self._is_own(changes) else changes.version
        if self._is_broken:
            self._lexical.reset()
        if changes.is_complete:
            self._load(changes)
        else:
            self._catch_up_with(changes)
        return self._snapshot(changes.version, content)

    def _is_own(self, changes: Changes) -> bool:
        """Whether no entry of a user changed. What is deleted is looked up, so ask before the views take it over."""
        if changes.is_complete or len(changes.upserted) + len(changes.deleted) > OWN_ROWS:
            return False
        deleted = [self._catalogue.entry(entry_id) for entry_id in changes.deleted]
        entries = [*(row.entry for row in changes.upserted), *filter(None, deleted)]
        return all(entry.user_id == CANARY_USER for entry in entries)

    def _load(self, changes: Changes) -> None:
        views: tuple[Loadable, ...] = (self._lexical, self._vectors, self._catalogue)
        for view in views:
            view.begin_load()
        for batch in batches_of(changes.upserted):
            for view in views:
                view.load(batch)
            self._pending -= len(batch)
        for view in views:
            view.end_load()

    def _catch_up_with(self, changes: Changes) -> None:
        self._catalogue.apply(changes.upserted, changes.deleted)
        self._lexical.apply(changes.upserted, changes.deleted)
        self._vectors.apply(changes.upserted, changes.deleted)

    def _snapshot(self, version: int | None, content: int | None) -> Views:
        lexical = GuardedSnapshot(self._lexical.snapshot(), self._note_broken)
        return Views(version, content, lexical, self._vectors.snapshot(), self._catalogue)

    def _note_broken(self, lexical: GuardedSnapshot) -> None:
        """A search found the index damaged; one that still has an older snapshot says nothing of the present one."""
        if self._views.lexical is lexical:
            self._is_broken = True

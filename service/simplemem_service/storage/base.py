"""What the service asks of a vector store, whatever stands behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from simplemem_service.models.entry import EmbeddedEntry, Entry, Turn
from simplemem_service.models.query import EntryFilter


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """What a store was created with and keeps for its life."""

    model: str
    """Embedding model its vectors come from."""
    dimension: int
    """Length of its vectors."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to the entries between two versions of the table."""

    version: int
    """Version of the table that these changes lead to."""
    upserted: tuple[EmbeddedEntry, ...]
    """Entries written or rewritten since, by ascending position."""
    deleted: tuple[str, ...]
    """Ids of entries deleted since."""
    is_complete: bool
    """True when `upserted` is the whole table, so that whoever follows must start from nothing."""


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """Figures of a store for status and metrics."""

    entries: int
    """Rows in the table of entries."""
    turns: int
    """Rows in the table of turns."""
    size_bytes: int
    """Bytes the store occupies, all versions and the journal included."""


class Storage(ABC):
    """A store of entries and turns. One process writes; any number read.

    Errors are `StorageUnavailableError`s unless a method names others.
    """

    @abstractmethod
    async def open(self, identity: StoreIdentity) -> None:
        """Open the store, creating it on first use; `IdentityMismatchError` if it holds another model's vectors."""

    @abstractmethod
    async def close(self) -> None:
        """Release what `open` took."""

    @abstractmethod
    async def known_turns(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of the keys whose turns are already kept."""

    @abstractmethod
    async def add_turns(self, turns: Sequence[Turn]) -> None:
        """Keep turns as they were said; a turn whose key is already there is left as it is."""

    @abstractmethod
    async def add_entries(self, entries: Sequence[EmbeddedEntry]) -> int:
        """Write entries, one commit, and return the table's version; an id already there is left as it is."""

    @abstractmethod
    async def maintain(self) -> None:
        """Compact the tables and drop versions that no reader needs; for the one writer, between two batches."""

    @abstractmethod
    async def read_entry(self, entry_id: str) -> Entry | None:
        """The entry of that id, or None."""

    @abstractmethod
    async def list_entries(self, where: EntryFilter, *, after: int, limit: int) -> list[Entry]:
        """Entries matching a filter whose position is greater than `after`, by ascending position."""

    @abstractmethod
    async def last_entries(self, user_id: str, session_id: str, limit: int) -> list[Entry]:
        """The latest entries of a session, by ascending position."""

    @abstractmethod
    async def next_position(self) -> int:
        """The first position that no entry has had."""

    @abstractmethod
    async def read_changes(self, since: int | None) -> Changes:
        """What changed after version `since`; the whole table for None or where that version is gone."""

    @abstractmethod
    async def counts(self) -> StoreCounts:
        """Figures of the store."""

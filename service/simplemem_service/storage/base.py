"""What the service asks of a vector store, whatever stands behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from simplemem_service.models.entry import EmbeddedEntry, Entry, Turn
from simplemem_service.models.query import EntryFilter
from simplemem_service.models.revision import Revision

FIRST_TABLE = "entries"
"""Name of the table of entries that a store is created with."""

PurgeMark: TypeAlias = Mapping[str, int]
"""Version of each table from which on nothing removed is held."""


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """Which vectors a store answers with; only a re-embedding moves it on to its next generation."""

    model: str
    """Embedding model its vectors come from."""
    dimension: int
    """Length of its vectors."""
    generation: int = 0
    """How many re-embeddings, and ways back, came before."""
    table: str = FIRST_TABLE
    """Name of the table of entries in this generation."""
    base: int = 0
    """What is added to the table's own version, so that versions grow from generation to generation."""
    synced: int = 0
    """The table's own version, without the base, at which the table of the generation before held the same entries."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to the entries between two versions of the table."""

    version: int
    """Version of the table that these changes lead to."""
    upserted: Sequence[EmbeddedEntry]
    """Entries written or rewritten since, by ascending position unless they are the whole table; whoever takes over
    many reads them as `batches_of(upserted)`."""
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


@dataclass(frozen=True, slots=True)
class Removed:
    """Rows of a user, counted by kind."""

    entries: int
    """Entries."""
    turns: int
    """Turns, those that were dropped included."""
    revisions: int
    """Former states of entries."""


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
    async def fence(self) -> None:
        """Make the commits fail that a writer before has begun, where it may still live; for who has taken over.

        `LeaseLostError` if another process does the same, `StorageUnavailableError` also if the store has gone over to
        other tables since it was opened.
        """

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
    async def entries_created_before(self, when: datetime, *, after: int, limit: int) -> list[Entry]:
        """Entries that the store first held before a time and whose position is greater than `after`, by position."""

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

    @abstractmethod
    async def read_embedded(self, entry_ids: Sequence[str]) -> list[EmbeddedEntry]:
        """Those of the entries that exist, with their vectors, by ascending position."""

    @abstractmethod
    async def list_embedded(self, user_id: str | None, *, after: int, limit: int) -> list[EmbeddedEntry]:
        """Entries of a user (None: of all) whose position is greater than `after`, with their vectors, by ascending
        position.
        """

    @abstractmethod
    async def entries_before(self, entry: Entry, limit: int) -> list[Entry]:
        """The entries in front of an entry in its session, at most `limit`, by ascending position."""

    @abstractmethod
    async def superseded_by(self, entry_ids: Sequence[str]) -> list[EmbeddedEntry]:
        """Entries that one of the given took the place of."""

    @abstractmethod
    async def update_entries(self, entries: Sequence[EmbeddedEntry]) -> int:
        """Rewrite entries that exist, one commit, and return the table's version; others are left out."""

    @abstractmethod
    async def delete_entries(self, entry_ids: Sequence[str]) -> int:
        """Remove entries and return the table's version. The bytes stay until `purge` and the retention."""

    @abstractmethod
    async def list_turns(self, user_id: str | None, *, after: int, limit: int) -> list[Turn]:
        """Turns of a user (None: of all) whose position is greater than `after`, by ascending position."""

    @abstractmethod
    async def dropped_turns(self, user_id: str | None, least_density: float, limit: int) -> list[Turn]:
        """Turns of a user (None: of all) that were dropped with at least that density, by ascending position."""

    @abstractmethod
    async def update_turns(self, turns: Sequence[Turn]) -> None:
        """Rewrite turns that are kept, by their keys; others are left out."""

    @abstractmethod
    async def sole_turns(self, entries: Sequence[Entry]) -> list[str]:
        """Keys of the turns that of all entries only the given ones cite."""

    @abstractmethod
    async def delete_turns(self, keys: Sequence[str]) -> None:
        """Remove turns."""

    @abstractmethod
    async def next_turn_position(self) -> int:
        """The first position that no turn has had."""

    @abstractmethod
    async def add_history(self, revisions: Sequence[Revision]) -> None:
        """Keep what entries were; one of the same entry and cause is left as it is."""

    @abstractmethod
    async def history(self, entry_id: str) -> list[Revision]:
        """What an entry was before each of its changes, oldest first."""

    @abstractmethod
    async def changes_by(self, cause: str) -> list[Revision]:
        """What the entries that one cause changed were before."""

    @abstractmethod
    async def count_history(self, entry_ids: Sequence[str]) -> int:
        """How many revisions of entries there are."""

    @abstractmethod
    async def delete_history(self, entry_ids: Sequence[str]) -> None:
        """Remove what entries were."""

    @abstractmethod
    async def count_user(self, user_id: str) -> Removed:
        """How many rows of a user there are."""

    @abstractmethod
    async def erase_user(self, user_id: str) -> int:
        """Remove all rows of a user and return the version of the table of entries."""

    @abstractmethod
    async def purge(self, *, drops_indices: bool) -> PurgeMark:
        """Rewrite the files that hold removed rows. Once the versions before the mark are gone, so are the bytes.

        Indices of the tables hold ids and codes of vectors, no text; `drops_indices` takes them away as well where
        rows were removed, and `maintain` builds them anew.
        """

    @abstractmethod
    async def is_purged(self, mark: PurgeMark) -> bool:
        """Whether no version before the mark is left."""

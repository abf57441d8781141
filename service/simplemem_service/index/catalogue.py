"""The symbolic view: entries by id, and what filters and cues need to know of them.

Unlike the other views it is not read in snapshots: an entry looked up is the entry as it is now, and one deleted
meanwhile is simply gone from the answer. Each user's records are replaced, never changed, so readers need no lock.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from simplemem_service.index.base import Scope
from simplemem_service.models.entry import EmbeddedEntry, Entry
from simplemem_service.models.query import EntryFilter

_Member = TypeVar("_Member")


@dataclass(frozen=True, slots=True)
class UserRecords:
    """What is known of one user's entries."""

    entries: dict[str, Entry] = field(default_factory=dict)
    """Entries by id."""
    days: dict[date, frozenset[str]] = field(default_factory=dict)
    """Ids of the entries told on a day."""
    speakers: dict[str, int] = field(default_factory=dict)
    """Number of entries of each speaker."""
    sessions: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Position and id of the entries of each session, in order."""


class Catalogue:
    """Entries by id, by day and by speaker."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._users: dict[str, UserRecords] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        """Take over changes; one call at a time."""
        changes: dict[str, dict[str, Entry | None]] = {}
        for entry_id in deleted:
            user_id = self._owners.pop(entry_id, None)
            if user_id is not None:
                changes.setdefault(user_id, {})[entry_id] = None
        for row in upserted:
            changes.setdefault(row.entry.user_id, {})[row.entry.entry_id] = row.entry
        for user_id, changed in changes.items():
            self._users[user_id] = _updated(self._users.get(user_id, UserRecords()), changed)
            self._owners.update({entry_id: user_id for entry_id, entry in changed.items() if entry is not None})

    def replace(self, rows: Sequence[EmbeddedEntry]) -> None:
        """Take over the whole table; readers see the old records until the new ones are complete."""
        fresh = Catalogue()
        fresh.apply(rows, ())
        self._users, self._owners = fresh._users, fresh._owners

    def entry(self, entry_id: str) -> Entry | None:
        """The entry of that id as it is now, or None."""
        records = self._users.get(self._owners.get(entry_id, ""))
        return records.entries.get(entry_id) if records else None

    def previous(self, entry: Entry) -> str | None:
        """Id of the entry before that one in its session, or None."""
        records = self._users.get(entry.user_id)
        order = records.sessions.get(entry.session_id, []) if records else []
        at = bisect.bisect_left(order, (entry.position, entry.entry_id))
        return order[at - 1][1] if at > 0 else None

    def speakers(self, user_id: str | None) -> list[str]:
        """Names of those who spoke in a user's memory, or in all; most talkative first."""
        counts: dict[str, int] = {}
        for records in self._records(user_id):
            for name, count in records.speakers.items():
                counts[name] = counts.get(name, 0) + count
        return sorted(counts, key=lambda name: -counts[name])

    def on_days(self, user_id: str | None, is_wanted: Callable[[date], bool]) -> list[str]:
        """Ids of the entries told on days that are wanted."""
        found: list[str] = []
        for records in self._records(user_id):
            for day, entry_ids in records.days.items():
                if is_wanted(day):
                    found.extend(entry_ids)
        return found

    def scope(self, where: EntryFilter) -> Scope:
        """Where a search with that filter may look."""
        if where == EntryFilter(user_id=where.user_id):
            return Scope(where.user_id)
        matching: set[str] = set()
        for records in self._records(where.user_id):
            candidates: Iterable[str] = records.entries
            if where.session_id is not None:
                candidates = [entry_id for _, entry_id in records.sessions.get(where.session_id, [])]
            matching.update(entry_id for entry_id in candidates if matches(records.entries[entry_id], where))
        return Scope(where.user_id, frozenset(matching))

    def _records(self, user_id: str | None) -> Iterable[UserRecords]:
        if user_id is None:
            return list(self._users.values())
        return [self._users[user_id]] if user_id in self._users else []


def matches(entry: Entry, where: EntryFilter) -> bool:
    """Whether an entry satisfies every field of a filter; an entry without a time satisfies no bound on time."""
    told = entry.timestamp
    return (
        (where.user_id is None or entry.user_id == where.user_id)
        and (where.session_id is None or entry.session_id == where.session_id)
        and (where.location is None or (entry.location or "").casefold() == where.location.casefold())
        and (where.since is None or (told is not None and told >= where.since))
        and (where.until is None or (told is not None and told <= where.until))
        and {name.casefold() for name in where.persons} <= {name.casefold() for name in entry.persons}
    )


def _updated(old: UserRecords, changed: dict[str, Entry | None]) -> UserRecords:
    """A user's records after changes; the old ones stay as they are."""
    entries, speakers = dict(old.entries), dict(old.speakers)
    days: dict[date, set[str]] = {}
    sessions: dict[str, set[tuple[int, str]]] = {}
    for entry_id, entry in changed.items():
        before = entries.pop(entry_id, None)
        if entry is not None:
            entries[entry_id] = entry
        for known, step in ((before, -1), (entry, 1)):
            if known is None:
                continue
            speakers[known.speaker] = speakers.get(known.speaker, 0) + step
            session = sessions.setdefault(known.session_id, set(old.sessions.get(known.session_id, ())))
            _toggle(session, (known.position, entry_id), step)
            if known.timestamp is not None:
                day = known.timestamp.date()
                _toggle(days.setdefault(day, set(old.days.get(day, ()))), entry_id, step)
    new_days = {**old.days, **{day: frozenset(ids) for day, ids in days.items()}}
    new_sessions = {**old.sessions, **{session: sorted(places) for session, places in sessions.items()}}
    return UserRecords(
        entries,
        {day: ids for day, ids in new_days.items() if ids},
        {name: count for name, count in speakers.items() if count > 0 and name},
        {session: places for session, places in new_sessions.items() if places},
    )


def _toggle(members: set[_Member], member: _Member, step: int) -> None:
    """Add a member for a positive step, take it out for a negative one."""
    if step > 0:
        members.add(member)
    else:
        members.discard(member)

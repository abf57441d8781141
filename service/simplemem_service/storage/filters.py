"""Filters of the table as SQL, in which any text of a caller is data.

LanceDB binds no parameters. Numbers and times go through its expressions; texts go through `quoted`, since `lit` of
lancedb 0.40 leaves two quotes in a row, and a quote after a backslash, as they are: the user `''` is then found as `'`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from lancedb.expr import col, lit

from simplemem_service.models.query import EntryFilter

_LOWER_PERSONS = "string_to_array(lower(array_to_string(persons, '\x1f')), '\x1f')"
"""The list of persons in lower case, as a search compares them; SQL has no such function of lists, so it goes through
one text, joined by a control character that no name holds."""


def entry_predicate(where: EntryFilter, *, after: int | None = None) -> str:
    """The SQL of a filter: entries that match all its fields, with a position above `after`."""
    conditions: list[str] = []
    if after is not None:
        conditions.append(above("position", after))
    if where.user_id is not None:
        conditions.append(equals("user_id", where.user_id))
    if where.session_id is not None:
        conditions.append(equals("session_id", where.session_id))
    if where.location is not None:
        conditions.append(f"(lower(location) = {quoted(where.location.lower())})")
    if where.since is not None:
        conditions.append(str((col("timestamp") >= lit(where.since.astimezone(UTC))).to_sql()))
    if where.until is not None:
        conditions.append(str((col("timestamp") <= lit(where.until.astimezone(UTC))).to_sql()))
    conditions += [f"array_has({_LOWER_PERSONS}, {quoted(person.lower())})" for person in where.persons]
    return " AND ".join(conditions) or "true"


def quoted(text: str) -> str:
    """A text as a literal of SQL: DataFusion ends it at a single quote only, knows no escape but doubling it, and takes
    every other character as it is.
    """
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def any_of(column: str, values: Sequence[str]) -> str:
    """The SQL of "the column is one of the values"; there must be at least one."""
    return f"({column} IN ({', '.join(quoted(value) for value in values)}))"


def equals(column: str, value: str) -> str:
    """The SQL of "the column is the value"."""
    return f"({column} = {quoted(value)})"


def changed_after(version: int) -> str:
    """The SQL of "the row was written or rewritten after that version of the table"."""
    return str((col("_row_last_updated_at_version") > lit(version)).to_sql())


def created_after(version: int) -> str:
    """The SQL of "the row was first written after that version of the table"."""
    return str((col("_row_created_at_version") > lit(version)).to_sql())


def created_before(when: datetime, *, after: int) -> str:
    """The SQL of "the store first held the entry before a time, and its position is above `after`"."""
    return f"{(col('created_at') < lit(when.astimezone(UTC))).to_sql()} AND {above('position', after)}"


def below(column: str, value: int) -> str:
    """The SQL of "the column is less than the value"."""
    return str((col(column) < lit(value)).to_sql())


def above(column: str, value: int) -> str:
    """The SQL of "the column is greater than the value"."""
    return str((col(column) > lit(value)).to_sql())


def at_least(column: str, value: float) -> str:
    """The SQL of "the column is not null and at least the value"."""
    return str((col(column) >= lit(value)).to_sql())


def has_any(column: str, values: Sequence[str]) -> str:
    """The SQL of "the list holds one of the values"; there must be at least one."""
    literals = ", ".join(quoted(value) for value in values)
    return f"array_has_any({column}, [{literals}])"


def owned(user_id: str | None, predicate: str) -> str:
    """The SQL of a predicate, of one user's rows where one is named."""
    return predicate if user_id is None else f"({equals('user_id', user_id)}) AND ({predicate})"

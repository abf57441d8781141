"""Filters of the table as LanceDB expressions.

LanceDB binds no parameters, so every value of a user goes through `lit`, which quotes it; nothing is formatted into a
string by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from lancedb.expr import Expr, col, lit

from simplemem_service.models.query import EntryFilter

_LOWER_PERSONS = "string_to_array(lower(array_to_string(persons, '\x1f')), '\x1f')"
"""The list of persons in lower case, as a search compares them; SQL has no such function of lists, so it goes through
one text, joined by a control character that no name holds."""


def entry_predicate(where: EntryFilter, *, after: int | None = None) -> str:
    """The SQL of a filter: entries that match all its fields, with a position above `after`."""
    conditions: list[Expr] = []
    if after is not None:
        conditions.append(col("position") > lit(after))
    if where.user_id is not None:
        conditions.append(col("user_id") == lit(where.user_id))
    if where.session_id is not None:
        conditions.append(col("session_id") == lit(where.session_id))
    if where.location is not None:
        conditions.append(col("location").lower() == lit(where.location.lower()))
    if where.since is not None:
        conditions.append(col("timestamp") >= lit(where.since.astimezone(UTC)))
    if where.until is not None:
        conditions.append(col("timestamp") <= lit(where.until.astimezone(UTC)))
    # Functions of lists are no part of lancedb.expr (0.40); the literal is quoted by it all the same.
    persons = [f"array_has({_LOWER_PERSONS}, {lit(person.lower()).to_sql()})" for person in where.persons]
    return " AND ".join([*(f"({condition.to_sql()})" for condition in conditions), *persons]) or "true"


def any_of(column: str, values: Sequence[str]) -> str:
    """The SQL of "the column is one of the values"; there must be at least one."""
    return str(col(column).isin([lit(value) for value in values]).to_sql())


def equals(column: str, value: str) -> str:
    """The SQL of "the column is the value"."""
    return str((col(column) == lit(value)).to_sql())


def changed_after(version: int) -> str:
    """The SQL of "the row was written or rewritten after that version of the table"."""
    return str((col("_row_last_updated_at_version") > lit(version)).to_sql())


def created_after(version: int) -> str:
    """The SQL of "the row was first written after that version of the table"."""
    return str((col("_row_created_at_version") > lit(version)).to_sql())


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
    literals = ", ".join(lit(value).to_sql() for value in values)
    return f"array_has_any({column}, [{literals}])"


def owned(user_id: str | None, predicate: str) -> str:
    """The SQL of a predicate, of one user's rows where one is named."""
    return predicate if user_id is None else f"({equals('user_id', user_id)}) AND ({predicate})"

"""Keeps the rows of the service's own user out of what is asked for all users: pure."""

from __future__ import annotations

from lancedb.expr import col, lit

from simplemem_service.models.entry import CANARY_USER

OWN = str((col("user_id") == lit(CANARY_USER)).to_sql())
"""The SQL of "the row is the service's own"."""
_OTHERS = str((col("user_id") != lit(CANARY_USER)).to_sql())


def without_own(user_id: str | None, predicate: str) -> str:
    """The SQL of a predicate, without the service's own rows where no user is named."""
    return predicate if user_id is not None else f"({predicate}) AND ({_OTHERS})"

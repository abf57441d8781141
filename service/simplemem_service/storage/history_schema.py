"""Rows of the table of former states of entries: the columns of an entry and what happened to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from simplemem_service.models.revision import ChangeKind, Revision
from simplemem_service.storage import schema

OWN_COLUMNS = ("changed_at", "cause", "change", "has_content")
"""Columns beside those of the entry and the key, which is derived from entry and cause."""


def history_schema() -> pa.Schema:
    """Columns of the table of revisions."""
    return pa.schema(
        [
            pa.field("key", pa.string(), nullable=False, metadata=schema.PRIMARY_KEY),
            pa.field("changed_at", schema.TIME, nullable=False),
            pa.field("cause", pa.string(), nullable=False),
            pa.field("change", pa.string(), nullable=False),
            pa.field("has_content", pa.bool_(), nullable=False),
            *(pa.field(field.name, field.type) for field in map(schema.entry_field, schema.ENTRY_COLUMNS)),
        ],
        metadata={schema.FORMAT_KEY: schema.FORMAT},
    )


def revisions_to_arrow(revisions: Sequence[Revision]) -> pa.Table:
    """A table of revisions, a row each, in their order."""
    return pa.Table.from_pylist([_row(revision) for revision in revisions], schema=history_schema())


def revisions_from_arrow(table: pa.Table) -> list[Revision]:
    """The revisions of a table, in its order."""
    entries = schema.plain_entries_from_arrow(table)
    own = table.select(list(OWN_COLUMNS)).to_pylist()
    return [
        Revision(
            entry_id=entry.entry_id,
            user_id=entry.user_id,
            changed_at=row["changed_at"],
            cause=row["cause"],
            change=ChangeKind(row["change"]),
            before=entry if row["has_content"] else None,
        )
        for entry, row in zip(entries, own, strict=True)
    ]


def _row(revision: Revision) -> dict[str, Any]:
    row: dict[str, Any] = {"entry_id": revision.entry_id, "user_id": revision.user_id}
    if revision.before is not None:
        row |= {name: getattr(revision.before, name) for name in schema.ENTRY_COLUMNS}
    return row | {
        "key": hashlib.sha256(json.dumps([revision.entry_id, revision.cause]).encode()).hexdigest(),
        "changed_at": revision.changed_at,
        "cause": revision.cause,
        "change": revision.change.value,
        "has_content": revision.before is not None,
    }

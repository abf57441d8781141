"""Rows of the LanceDB tables: entries and turns to Arrow and back.

Vectors are stored as 16-bit floats: half the bytes, and the cosine of two unit vectors changes by less than 0.001,
which no ranking of different texts rests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simplemem_service.models.entry import EmbeddedEntry, Entry, Turn, Vector
from simplemem_service.storage.base import StoreIdentity

FORMAT = b"1"
"""Layout of the tables; a reader refuses one it does not know."""
FORMAT_KEY = b"simplemem.format"
MODEL_KEY = b"simplemem.model"
DIMENSION_KEY = b"simplemem.dimension"

PRIMARY_KEY = {b"lance-schema:unenforced-primary-key:position": b"1"}
"""Marks a column as primary key at creation, which makes concurrent merges of the same key conflict."""
TIME = pa.timestamp("us", tz="UTC")
STRINGS = pa.list_(pa.string())

ENTRY_COLUMNS = (
    "entry_id",
    "user_id",
    "session_id",
    "position",
    "speaker",
    "text",
    "lossless_restatement",
    "keywords",
    "timestamp",
    "location",
    "persons",
    "entities",
    "sources",
    "valid_from",
    "valid_until",
    "superseded_by",
    "created_at",
    "compressed_by",
)
"""Columns that make an `Entry`, in the order of its fields; the vectors are beside them."""
ADDED_COLUMNS = ("compressed_by",)
"""Those of them that came after the first release, all nullable: tables of an older version lack them until the writer
opens them, and readers do without."""
NULLABLE_STRINGS = frozenset({"location", "superseded_by", *ADDED_COLUMNS})
LIST_COLUMNS = frozenset({"keywords", "persons", "entities", "sources"})
TIME_COLUMNS = frozenset({"timestamp", "valid_from", "valid_until", "created_at"})


def entry_schema(identity: StoreIdentity) -> pa.Schema:
    """Columns of the table of entries, with the identity in the metadata."""
    return entry_columns_schema(identity.dimension).with_metadata(
        {
            FORMAT_KEY: FORMAT,
            MODEL_KEY: identity.model.encode(),
            DIMENSION_KEY: str(identity.dimension).encode(),
        },
    )


def entry_columns_schema(dimension: int) -> pa.Schema:
    """Columns of the table of entries alone."""
    vector = pa.list_(pa.float16(), dimension)
    fields = [entry_field(name) for name in ENTRY_COLUMNS]
    fields += [pa.field("embedding", vector, nullable=False), pa.field("sentences", pa.list_(vector))]
    return pa.schema(fields)


def turn_schema() -> pa.Schema:
    """Columns of the table of turns."""
    return pa.schema(
        [
            pa.field("key", pa.string(), nullable=False, metadata=PRIMARY_KEY),
            pa.field("id", pa.string(), nullable=False),
            pa.field("user_id", pa.string(), nullable=False),
            pa.field("session_id", pa.string(), nullable=False),
            pa.field("speaker", pa.string(), nullable=False),
            pa.field("text", pa.string(), nullable=False),
            pa.field("timestamp", TIME),
            pa.field("received_at", TIME, nullable=False),
            pa.field("position", pa.int64()),
            pa.field("dropped_density", pa.float64()),
        ],
        metadata={FORMAT_KEY: FORMAT},
    )


def entries_to_arrow(entries: Sequence[EmbeddedEntry], schema: pa.Schema) -> pa.Table:
    """A table of entries, a row each, in their order; its columns are those of the schema."""
    dimension = schema.field("embedding").type.list_size
    columns: dict[str, Any] = {
        name: pa.array([_value(item.entry, name) for item in entries], schema.field(name).type)
        for name in ENTRY_COLUMNS
        if name in schema.names
    }
    columns["embedding"] = _fixed_lists([item.embedding for item in entries], dimension)
    offsets = np.cumsum([0, *(len(item.sentences) for item in entries)], dtype=np.int32)
    sentences = _fixed_lists([vector for item in entries for vector in item.sentences], dimension)
    columns["sentences"] = pa.ListArray.from_arrays(pa.array(offsets), sentences)
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def entries_from_arrow(table: pa.Table) -> list[EmbeddedEntry]:
    """The entries of a table with all columns, in its order."""
    if not table.num_rows:
        return []
    embedding = table.column("embedding").combine_chunks()
    dimension = embedding.type.list_size
    vectors = _matrix(embedding.flatten(), dimension)
    nested = table.column("sentences").combine_chunks()
    sentences = _matrix(nested.flatten().flatten(), dimension)
    ends = np.cumsum(nested.value_lengths().to_numpy(zero_copy_only=False))
    starts = np.concatenate([[0], ends[:-1]])
    return [
        EmbeddedEntry(entry, vectors[row], tuple(sentences[starts[row] : ends[row]]))
        for row, entry in enumerate(plain_entries_from_arrow(table))
    ]


def plain_entries_from_arrow(table: pa.Table) -> list[Entry]:
    """The entries of a table that may lack the vectors and columns added later, in its order."""
    columns = [
        _python_column(table.column(name).to_pylist(), name) if name in table.column_names else [None] * table.num_rows
        for name in ENTRY_COLUMNS
    ]
    return [Entry(*row) for row in zip(*columns, strict=True)]


def present_columns(schema: pa.Schema) -> list[str]:
    """Those of the columns of an `Entry` that a table has."""
    return [name for name in ENTRY_COLUMNS if name in schema.names]


def missing_fields(schema: pa.Schema) -> list[pa.Field]:
    """Columns that a table of an older version lacks."""
    return [entry_field(name) for name in ADDED_COLUMNS if name not in schema.names]


def with_turn_columns(table: pa.Table) -> pa.Table:
    """Turns of an older version with the columns it lacks; their order becomes their position."""
    positions = pa.array(range(table.num_rows), pa.int64())
    table = table.append_column("position", positions)
    table = table.append_column("dropped_density", pa.nulls(table.num_rows, pa.float64()))
    return table.cast(turn_schema())


def turns_from_arrow(table: pa.Table) -> list[Turn]:
    """The turns of a table, in its order."""
    return [Turn(**row) for row in table.to_pylist()]


def turns_to_arrow(turns: Sequence[Turn]) -> pa.Table:
    """A table of turns, a row each, in their order."""
    schema = turn_schema()
    return pa.Table.from_arrays(
        [pa.array([getattr(turn, name) for turn in turns], schema.field(name).type) for name in schema.names],
        schema=schema,
    )


def entry_field(name: str) -> pa.Field:
    """Column of one field of an `Entry`."""
    if name in LIST_COLUMNS:
        return pa.field(name, STRINGS)
    if name in TIME_COLUMNS:
        return pa.field(name, TIME)
    if name == "position":
        return pa.field(name, pa.int64(), nullable=False)
    metadata = PRIMARY_KEY if name == "entry_id" else None
    return pa.field(name, pa.string(), nullable=name in NULLABLE_STRINGS, metadata=metadata)


def _value(entry: Entry, name: str) -> str | int | datetime | list[str] | None:
    value: str | int | datetime | tuple[str, ...] | None = getattr(entry, name)
    return list(value) if isinstance(value, tuple) else value


def _python_column(values: list[Any], name: str) -> list[Any]:
    return [tuple(value or ()) for value in values] if name in LIST_COLUMNS else values


def _fixed_lists(vectors: Sequence[Vector], dimension: int) -> pa.FixedSizeListArray:
    flat = np.concatenate([np.empty(0, np.float32), *vectors]).astype(np.float16)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), dimension)


def half_matrix(values: pa.Array, dimension: int) -> npt.NDArray[np.float16]:
    """Vectors of an Arrow array of their numbers, shape (rows, dimension), float16."""
    flat: npt.NDArray[np.float16] = values.to_numpy(zero_copy_only=False)
    return flat.reshape(-1, dimension)


def _matrix(values: pa.Array, dimension: int) -> npt.NDArray[np.float32]:
    return half_matrix(values, dimension).astype(np.float32)

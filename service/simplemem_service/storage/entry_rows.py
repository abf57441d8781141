"""Rows of the table on their way to the views: columns by the batch, never the whole table as Python objects.

An entry with its vectors as objects takes some 30 KB; a table of 100,000 would need 3 GB for what its views keep in a
tenth of that. So a follower reads batches, whose entries become objects only where somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from typing_extensions import override

from simplemem_service.models.entry import EmbeddedEntry
from simplemem_service.storage import schema

BATCH_ROWS = 4_096
"""Rows of a batch: some 20 MB with what is made of them on the way."""

Half = npt.NDArray[np.float16]
"""Unit vectors as rows, shape (rows, dimension), float16, as the table stores them."""


@dataclass(frozen=True, slots=True)
class EntryBatch:
    """Entries by columns."""

    columns: dict[str, list[Any]]
    """Values of each field of an `Entry`, times as microseconds since 1970."""
    context: Half
    """Vector of each entry in its context, shape (entries, dimension)."""
    sentences: Half
    """Vectors of all sentences, an entry's after one another, shape (sentences, dimension)."""
    counts: npt.NDArray[np.int64]
    """Number of sentences of each entry; at least one."""

    def __len__(self) -> int:
        return len(self.counts)


class EntryRows(Sequence[EmbeddedEntry]):
    """Entries of the table, read anew by every pass over them.

    Parameters
    ----------
    count
        How many there are.
    scan
        Begins a pass: gives them as Arrow tables.
    """

    def __init__(self, count: int, scan: Callable[[], Iterator[pa.Table]]) -> None:
        self._count = count
        self._scan = scan

    @override
    def __len__(self) -> int:
        return self._count

    @override
    def __iter__(self) -> Iterator[EmbeddedEntry]:
        for table in self._scan():
            yield from schema.entries_from_arrow(table)

    @overload
    def __getitem__(self, index: int) -> EmbeddedEntry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[EmbeddedEntry]: ...
    @override
    def __getitem__(self, index: int | slice) -> EmbeddedEntry | Sequence[EmbeddedEntry]:
        return list(self)[index]

    def batches(self) -> Iterator[EntryBatch]:
        """The entries by columns."""
        for table in self._scan():
            yield batch_from_arrow(table)


def batches_of(rows: Sequence[EmbeddedEntry]) -> Iterator[EntryBatch]:
    """Entries by columns, wherever they come from."""
    if isinstance(rows, EntryRows):
        yield from rows.batches()
        return
    for start in range(0, len(rows), BATCH_ROWS):
        yield batch_of(rows[start : start + BATCH_ROWS])


def batch_of(rows: Sequence[EmbeddedEntry]) -> EntryBatch:
    """Entries that are objects already, by columns; there must be at least one."""
    identity_free = schema.entry_columns_schema(len(rows[0].embedding))
    return batch_from_arrow(schema.entries_to_arrow(rows, identity_free))


def batch_from_arrow(table: pa.Table) -> EntryBatch:
    """A table of entries with all columns, by columns; there must be at least one row."""
    embedding = table.column("embedding").combine_chunks()
    dimension = embedding.type.list_size
    context = schema.half_matrix(embedding.flatten(), dimension)
    nested = table.column("sentences").combine_chunks()
    counts = nested.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    sentences = schema.half_matrix(nested.flatten().flatten(), dimension)
    if not counts.all():
        sentences, counts = _with_context_for_none(context, sentences, counts)
    return EntryBatch(_python_columns(table), context, sentences, counts)


def _with_context_for_none(context: Half, sentences: Half, counts: npt.NDArray[np.int64]) -> Any:
    """Sentences where an entry without any has its vector in its context as its only one."""
    missing = np.flatnonzero(counts == 0)
    starts = np.cumsum(counts) - counts
    return np.insert(sentences, starts[missing], context[missing], axis=0), np.maximum(counts, 1)


def _python_columns(table: pa.Table) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for name in schema.ENTRY_COLUMNS:
        if name not in table.column_names:
            columns[name] = [None] * table.num_rows
        elif name in schema.TIME_COLUMNS:
            columns[name] = table.column(name).cast(pa.int64()).to_pylist()
        else:
            columns[name] = table.column(name).to_pylist()
    return columns

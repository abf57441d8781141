"""Rows of a table as files of Arrow's own format: every type and mark of the columns comes back as it was.

Not Lance's files: a copy holds the rows of one version and nothing that was removed before, is as good as its own
checksums, and can be read without the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from simplemem_service.errors import BackupError
from simplemem_service.storage.lance_errors import as_unavailable

PART_BYTES = 8 * 1024 * 1024
"""Bytes of rows, not yet compressed, after which a file ends; it is in memory some times over on its way."""
BATCH_ROWS = 512
"""Rows read at a time; some 2 MB."""
AHEAD_BYTES = 16 * 1024 * 1024
"""Bytes read ahead of the rows that are being written."""


class TableReader:
    """The rows of a pinned table, a file at a time.

    Parameters
    ----------
    dataset
        The table at one version, as a Lance dataset.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._batches: Iterator[pa.RecordBatch] | None = None

    def count(self) -> int:
        """How many rows there are. Blocking."""
        try:
            return int(self._dataset.count_rows())
        except (RuntimeError, OSError, ValueError) as error:
            raise as_unavailable(error) from error

    def next_file(self) -> tuple[bytes, int] | None:
        """The next file and how many rows it holds; None behind the last. Blocking.

        The first is there even if the table is empty, since it tells the columns.
        """
        try:
            return self._next_file()
        except (RuntimeError, OSError, ValueError) as error:
            raise as_unavailable(error) from error

    def _next_file(self) -> tuple[bytes, int] | None:
        is_first = self._batches is None
        if self._batches is None:
            # By default Lance reads up to 2 GB ahead of whoever takes the rows.
            scanner = self._dataset.scanner(
                batch_size=BATCH_ROWS,
                batch_readahead=1,
                fragment_readahead=1,
                io_buffer_size=AHEAD_BYTES,
                scan_in_order=True,
            )
            self._batches = iter(scanner.to_batches())
        taken: list[pa.RecordBatch] = []
        size = 0
        for batch in self._batches:
            taken.append(batch)
            size += batch.nbytes
            if size >= PART_BYTES:
                break
        if not taken and not is_first:
            return None
        schema: pa.Schema = self._dataset.schema
        output = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(output, schema, options=options) as writer:
            for batch in taken:
                writer.write_batch(batch.cast(schema))
        return output.getvalue().to_pybytes(), sum(batch.num_rows for batch in taken)


def read_rows(data: bytes, where: str) -> pa.Table:
    """The rows of a file. Raises `BackupError` if it is none."""
    try:
        return pa.ipc.open_file(pa.BufferReader(data)).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise BackupError(f"'{where}' is damaged: no rows in Arrow's format") from error

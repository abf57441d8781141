"""Small files of a store as archives: thousands of results and keys would otherwise be an object and a request each."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO

from simplemem_service.errors import BackupError

PART_BYTES = 16 * 1024 * 1024
"""Bytes of small files, not yet compressed, after which an archive ends."""
COMPRESSION = 3
"""Level of gzip: the journal's JSON shrinks to a fifth, at some 60 MB a second."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished archive."""

    content: IO[bytes]
    """Its bytes, in memory or a temporary file."""
    files: int
    """How many small files it holds."""

    def read(self) -> bytes:
        """Its bytes; the temporary file is gone afterwards."""
        with self.content as content:
            content.seek(0)
            return content.read()


class Packer:
    """Fills archives."""

    def __init__(self) -> None:
        self._content: IO[bytes] | None = None
        self._archive: tarfile.TarFile | None = None
        self._files = 0
        self._size = 0

    def add(self, name: str, data: bytes) -> Archive | None:
        """Take a small file in; the archive, if it is full now."""
        if self._archive is None:
            # What waits in the journal is read while the writer pauses, and may be much.
            self._content = SpooledTemporaryFile(PART_BYTES)  # noqa: SIM115 - closed by whoever reads it
            self._archive = tarfile.open(fileobj=self._content, mode="w:gz", compresslevel=COMPRESSION)  # noqa: SIM115
        header = tarfile.TarInfo(name)
        header.size = len(data)
        self._archive.addfile(header, io.BytesIO(data))
        self._files += 1
        self._size += len(data)
        return self.finish() if self._size >= PART_BYTES else None

    def finish(self) -> Archive | None:
        """The archive begun; None if nothing was taken in since the last one."""
        if self._archive is None or self._content is None:
            return None
        self._archive.close()
        done = Archive(self._content, self._files)
        self._content, self._archive, self._files, self._size = None, None, 0, 0
        return done


def unpack(data: bytes, where: str) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the small files in an archive. Raises `BackupError`, also for a name that leaves the store."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for member in archive:
                content = archive.extractfile(member)
                parts = member.name.split("/")
                if content is None or not all(parts) or {".", ".."} & set(parts):
                    raise BackupError(f"'{where}' holds '{member.name[:64]}', which is no file of a store")
                yield member.name, content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BackupError(f"'{where}' is damaged: no archive") from error

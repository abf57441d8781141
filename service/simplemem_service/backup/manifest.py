"""What a copy holds: written last, so that a folder without it is no copy.

    <prefix>/<id>/begun.json             whose copy it is to be
    <prefix>/<id>/tables/<name>-00000.arrow  rows of a table, Arrow's file format, compressed
    <prefix>/<id>/files/00000.tar.gz     small files: journal, receipts, identity
    <prefix>/<id>/manifest.json          all of the above with sizes and checksums, and what they hold

An id begins with its time, so copies sort by age.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from simplemem_service.errors import BackupError

MANIFEST = "manifest.json"
"""Name of the manifest within a copy."""
BEGUN = "begun.json"
"""Name of the file that says whose copy a folder is to be."""
FORMAT = 1
"""Layout of copies; a restore refuses one that it does not know."""
ID_FORM = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
"""How an id looks; nothing else below the prefix is ever touched."""


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file of a copy."""

    name: str
    """Its name within the copy."""
    size: int
    """Its length in bytes."""
    sha256: str
    """Its checksum, hexadecimal."""
    holds: int
    """How many rows, or small files, it holds."""


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table of a copy."""

    name: str
    """Name that the table is restored under."""
    rows: int
    """Its rows."""
    version: int
    """Its version at the time of the copy, by its own count."""
    is_followed: bool
    """Whether its changes are tailed."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a copy holds."""

    copy_id: str
    """Id of the copy."""
    store: str
    """Whose it is: `namespace/name`."""
    began_at: str
    """When it was begun, ISO 8601."""
    consistent_at: str
    """The moment that it shows, ISO 8601."""
    completed_at: str
    """When its last file was written, ISO 8601."""
    model: str
    """Embedding model of its vectors."""
    version: int
    """Version of the store's entries, as its API counts it."""
    pending_turns: int
    """Turns that were durable and not searchable yet; they lie in the journal."""
    tables: tuple[CopiedTable, ...]
    """Its tables."""
    files: tuple[CopiedFile, ...]
    """Its files, without the manifest."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def rows(self, name: str) -> int:
        """Rows of the tables whose name begins so: a table of entries has its generation behind it."""
        return sum(table.rows for table in self.tables if table.name.split("-")[0] == name)


def new_copy_id(now: datetime) -> str:
    """An id for a copy begun now: the second, the microsecond and a random part, so that ids sort by age."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{now.microsecond:05x}{uuid.uuid4().hex[:3]}"


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as its file, which ends with a checksum of the rest."""
    fields = {"format": FORMAT, **asdict(manifest)}
    return json.dumps({**fields, "sha256": _digest(fields)}, indent=1).encode()


def decode_manifest(data: bytes, where: str) -> Manifest:
    """The manifest in a file.

    Parameters
    ----------
    data
        The file.
    where
        The copy, for errors.

    Raises `BackupError` if the file is damaged or of another format.
    """
    try:
        fields: dict[str, Any] = json.loads(data)
        found = fields.pop("sha256")
        if fields["format"] != FORMAT:
            raise BackupError(f"copy '{where}' has format {fields['format']}; this version reads {FORMAT}")
        if found != _digest(fields):
            raise BackupError(f"'{MANIFEST}' of copy '{where}' is damaged: its checksum does not match")
        del fields["format"]
        tables = tuple(CopiedTable(**table) for table in fields.pop("tables"))
        files = tuple(CopiedFile(**file) for file in fields.pop("files"))
        return Manifest(**fields, tables=tables, files=files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"'{MANIFEST}' of copy '{where}' is damaged: it cannot be read") from error


def _digest(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

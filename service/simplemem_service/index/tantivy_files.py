"""Whether the files of a tantivy index are what tantivy wrote.

Tantivy ends each file with its checksum and does not look at it again: a file that was changed on the disk gives wrong
answers, or ends in a panic in the middle of a search. So the checksums are compared at each start; 110 MB, an index of
a million entries, take a third of a second.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

MAGIC = 1337
"""Last four bytes of a file, as a number (tantivy-py 0.27)."""
TAIL = struct.Struct("<II")
"""Length of the footer, and the magic number."""
CHUNK_BYTES = 1 << 20
"""How much is read at a time, in bytes."""


def check_files(folder: Path) -> None:
    """Return if the files of the segments in use match their checksums; `OSError` names one that does not.

    Files that no commit took into use, which a killed process leaves, are passed over.
    """
    for path in _in_use(folder):
        if not _is_whole(path):
            raise OSError(f"'{path.name}' does not match its checksum")


def _in_use(folder: Path) -> Iterator[Path]:
    meta = folder / "meta.json"
    if not meta.is_file():
        return
    segments = {one["segment_id"].replace("-", ""): one for one in json.loads(meta.read_bytes())["segments"]}
    for path in sorted(folder.iterdir()):
        segment, _, kind = path.name.partition(".")
        if segment not in segments:
            continue
        deletes = segments[segment].get("deletes")
        if not kind.endswith("del") or (deletes is not None and kind == f"{deletes['opstamp']}.del"):
            yield path


def _is_whole(path: Path) -> bool:
    size = path.stat().st_size
    if size < TAIL.size:
        return False
    with path.open("rb") as file:
        file.seek(size - TAIL.size)
        length, magic = TAIL.unpack(file.read(TAIL.size))
        body = size - TAIL.size - length
        if magic != MAGIC or body < 0:
            return False
        file.seek(body)
        try:
            expected = json.loads(file.read(length))["crc"]
        except (ValueError, KeyError, TypeError):
            return False
        file.seek(0)
        found, left = 0, body
        while left and (chunk := file.read(min(CHUNK_BYTES, left))):
            found, left = zlib.crc32(chunk, found), left - len(chunk)
    return bool(found == expected)

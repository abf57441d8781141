"""Which of a store's small files a copy holds, and in which order they are read.

Everything but what is of this place alone (leases, probes, the id of its caches, records of backups) and what may be
lost (replies of language models). The order makes the copy whole: keys and results are read first; then, while the
writer pauses, the segments that wait, and the versions of the tables at the same moment. So whatever was acknowledged
before is in the tables or in a segment, and no key of the copy stands for an operation that is not in it.
"""

from __future__ import annotations

from simplemem_service.backup.records import FOLDER as RECORDS
from simplemem_service.ingest import journal, receipts, reembed_jobs
from simplemem_service.ingest.segment import is_segment_name, parse_segment_name
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.identity import RESTORING
from simplemem_service.storage.lease import LEASE_NAME

WITHOUT = frozenset({"tables", "tmp", "probe", LEASE_NAME, RESTORING, "llm-cache", "cache", RECORDS})
"""Top names that are in no copy."""
PINNED = (journal.OPEN, journal.FAILED, receipts.OPEN, receipts.ERASED)
"""Folders read while the writer pauses: what waits, and the records that nothing else could replace."""


async def list_early(blobs: BlobStore) -> list[str]:
    """Names of the files that are read before the writer pauses."""
    # A re-embedding under way is not in the copy: the table that it builds is not either.
    left = (f"{journal.OPEN}/", f"{reembed_jobs.OPEN}/")
    return [name for name in await blobs.list_all(without=WITHOUT) if not name.startswith(left)]


async def list_pinned(blobs: BlobStore, known: set[str]) -> list[str]:
    """Names of the files that are read while the writer pauses; without those known already."""
    found = [f"{folder}/{name}" for folder in PINNED for name in await blobs.list_names(folder)]
    return [name for name in found if name not in known]


def count_waiting(names: list[str]) -> int:
    """Turns in the segments that wait."""
    waiting = [name.removeprefix(f"{journal.OPEN}/") for name in names if name.startswith(f"{journal.OPEN}/")]
    # A file system may show names of its own, such as .nfs0001.
    return sum(parse_segment_name(name).turns for name in waiting if is_segment_name(name))

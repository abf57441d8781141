"""Small files in a folder: durable through fsync, create-only through a hard link.

A file is written under a temporary name, synced, linked to its final name (which fails if that exists, unlike a
rename) and the folder is synced; so a name stands for complete bytes or does not exist, whenever the power goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from typing_extensions import override

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.storage.blobs import BlobStore

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

THREADS = 8
"""Files written at the same time; their fsyncs share the file system's commits. Own threads, since a default pool
busy with encoding would hold up acknowledgements."""
STALE_TEMPORARY_SECONDS = 3600
"""Age at which a temporary file must be a crash's leftover, in seconds."""
PROBE_BYTES = 4096
"""Size of the probe that tells a full volume, in bytes: one block."""


class LocalBlobStore(BlobStore):
    """Blobs as files below a folder.

    Parameters
    ----------
    root
        The folder; made on first use.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporary = root / "tmp"
        self._threads = ThreadPoolExecutor(THREADS, "blobs")
        self._known_folders: set[Path] = set()

    @override
    async def put_new(self, name: str, data: bytes) -> bool:
        return await self._run(lambda: self._put_new(self._root / name, data))

    @override
    async def get(self, name: str) -> bytes | None:
        return await self._run(lambda: _read(self._root / name))

    @override
    async def list_names(self, folder: str) -> list[str]:
        return await self._run(lambda: _list(self._root / folder))

    @override
    async def list_all(self, *, without: frozenset[str]) -> list[str]:
        return await self._run(lambda: _list_all(self._root, without))

    @override
    async def list_older(self, folder: str, age: timedelta) -> list[str]:
        return await self._run(lambda: _list_older(self._root / folder, time.time() - age.total_seconds()))

    @override
    async def delete(self, name: str) -> None:
        await self._run(lambda: (self._root / name).unlink(missing_ok=True))

    @override
    async def sync(self) -> None:
        await self._run(lambda: _sync_file_system(self._root))

    @override
    async def size_bytes(self) -> int:
        return await self._run(lambda: _folder_size(self._root, self._temporary))

    @override
    async def check(self) -> None:
        await self._run(self._probe)

    @override
    async def check_conditions(self) -> None:
        """A file is created once, whoever asks."""

    @override
    async def close(self) -> None:
        self._threads.shutdown(wait=False)

    async def _run(self, call: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise StorageUnavailableError(f"the data folder refuses: {reason}") from error

    def _put_new(self, target: Path, data: bytes) -> bool:
        self._make_folder(target.parent)
        temporary = self._write_temporary(data)
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        _sync_folder(target.parent)
        return True

    def _write_temporary(self, data: bytes) -> Path:
        self._make_folder(self._temporary)
        temporary = self._temporary / uuid.uuid4().hex
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return temporary

    def _make_folder(self, folder: Path) -> None:
        if folder in self._known_folders and folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True)
        # The names of new folders must survive too, up to one that was there before.
        for parent in (folder, *folder.parents):
            _sync_folder(parent)
            if parent == self._root.parent:
                break
        if folder == self._temporary:
            _remove_stale(folder)
        self._known_folders.add(folder)

    def _probe(self) -> None:
        self._write_temporary(os.urandom(PROBE_BYTES)).unlink()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _list(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names are wanted, not paths
    except FileNotFoundError:
        return []


def _list_all(root: Path, without: frozenset[str]) -> list[str]:
    found: list[str] = []
    for parent, folders, names in os.walk(root):
        if Path(parent) == root:
            folders[:] = [name for name in folders if name not in without]
            names = [name for name in names if name not in without]  # noqa: PLW2901 - the same, without some
        found += [(Path(parent) / name).relative_to(root).as_posix() for name in names]
    return sorted(found)


def _list_older(folder: Path, limit: float) -> list[str]:
    """Names of files last written at or before a time, in seconds since 1970."""
    found: list[str] = []
    for name in _list(folder):
        with contextlib.suppress(FileNotFoundError):
            if (folder / name).stat().st_mtime <= limit:
                found.append(name)
    return found


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(folder: Path) -> None:
    """Write out what a file system holds in memory: 1 ms after a commit of the tables, which sync nothing by themselves
    and leave too many files to sync each.
    """
    try:
        call = ctypes.CDLL(None, use_errno=True).syncfs
    except AttributeError:
        # Only Linux has it.
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if call(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def _remove_stale(folder: Path) -> None:
    """Remove what a crash cut off while it was written; nothing of it was acknowledged."""
    limit = time.time() - STALE_TEMPORARY_SECONDS
    removed = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < limit:
                path.unlink()
                removed += 1
    if removed:
        logger.warning("unfinished files of an earlier process removed", extra={"files": removed})


def _folder_size(folder: Path, without: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        if Path(parent) == without:
            continue
        for name in names:
            # Compaction removes files while they are counted.
            with contextlib.suppress(FileNotFoundError):
                total += (Path(parent) / name).stat().st_size
    return total

"""What the journal asks of a place for small immutable files, on a volume or in a bucket."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta


class BlobStore(ABC):
    """Named byte strings, written once. Names are relative paths. Errors are `StorageUnavailableError`s."""

    @abstractmethod
    async def put_new(self, name: str, data: bytes) -> bool:
        """Write durably, create-only: True once the bytes survive a crash, False if the name is taken."""

    @abstractmethod
    async def get(self, name: str) -> bytes | None:
        """The bytes of that name, or None."""

    @abstractmethod
    async def list_names(self, folder: str) -> list[str]:
        """Names directly within a folder, without the folder, ascending."""

    @abstractmethod
    async def list_all(self, *, without: frozenset[str]) -> list[str]:
        """All names but those that are, or lie in, some names at the top, ascending."""

    @abstractmethod
    async def list_older(self, folder: str, age: timedelta) -> list[str]:
        """Names directly within a folder that were written at least so long ago, by the place's clock, ascending."""

    @abstractmethod
    async def delete(self, name: str) -> None:
        """Remove a name; one that is not there is no error."""

    @abstractmethod
    async def sync(self) -> None:
        """Make all that was written to the place by now survive a power cut, the tables included."""

    @abstractmethod
    async def size_bytes(self) -> int:
        """Bytes of all that lies in the place, tables included."""

    @abstractmethod
    async def check(self) -> None:
        """Write and remove a probe; `StorageUnavailableError` says why that is impossible."""

    @abstractmethod
    async def check_conditions(self) -> None:
        """Prove that the place keeps what is there from a second writer; `CarelessBucketError` if it does not."""

    @abstractmethod
    async def close(self) -> None:
        """Release threads and connections."""

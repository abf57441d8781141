"""A writer's surroundings on a folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.ingest.journal import Journal
from simplemem_service.ingest.worker import Worker
from simplemem_service.llm.base import LanguageModel
from simplemem_service.models.entry import EmbeddedEntry, Entry
from simplemem_service.models.operation import GivenTurn, Operation, OperationResult, Payload
from simplemem_service.models.query import EntryFilter
from simplemem_service.pipeline.compress import Compressor
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.lease import FileLease
from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.telemetry import Metrics
from tests.support.embedding import TinyEmbedding


class CrashingStorage(LanceStorage):
    """Ends the writer in front of the nth change, as kill -9 does."""

    def __init__(self, folder: Path, blobs: LocalBlobStore) -> None:
        super().__init__(str(folder / "tables"), {}, blobs, writes=True)
        self.changes_left = -1

    def _change(self) -> None:
        if self.changes_left == 0:
            raise StorageUnavailableError("killed")
        self.changes_left -= 1

    async def add_entries(self, entries: Sequence[EmbeddedEntry]) -> int:
        self._change()
        return await super().add_entries(entries)

    async def update_entries(self, entries: Sequence[EmbeddedEntry]) -> int:
        self._change()
        return await super().update_entries(entries)

    async def delete_entries(self, entry_ids: Sequence[str]) -> int:
        self._change()
        return await super().delete_entries(entry_ids)

    async def delete_turns(self, keys: Sequence[str]) -> None:
        self._change()
        await super().delete_turns(keys)

    async def delete_history(self, entry_ids: Sequence[str]) -> None:
        self._change()
        await super().delete_history(entry_ids)

    async def erase_user(self, user_id: str) -> int:
        self._change()
        return await super().erase_user(user_id)


class Memory:
    """A store with its writer; another one on the same folder is the next process."""

    def __init__(self, folder: Path, *, threshold: float = 0.0, model: LanguageModel | None = None) -> None:
        self.folder = folder
        self.blobs = LocalBlobStore(folder)
        self.journal = Journal(self.blobs)
        self.storage = CrashingStorage(folder, self.blobs)
        self.embedding = TinyEmbedding()
        self.metrics = Metrics()
        self.lease = FileLease(folder)
        compressor = Compressor(self.embedding, window_turns=10, overlap_turns=2, density_threshold=threshold)
        self.worker = Worker(
            self.journal,
            self.storage,
            compressor,
            self.lease,
            self.metrics,
            blobs=self.blobs,
            embedding=self.embedding,
            model=model,
            workers=2,
        )

    async def close(self) -> None:
        await self.lease.release()
        await self.storage.close()

    async def say(self, *turns: tuple[str, str], user: str = "ada", session: str = "monday") -> OperationResult:
        """Remember turns: speaker and text each, a minute apart."""
        given = tuple(
            GivenTurn(speaker, text, f"{session}-{n}", datetime(2026, 3, 1, 12, n, tzinfo=UTC))
            for n, (speaker, text) in enumerate(turns)
        )
        return await self.apply(Operation(user, session, given, datetime.now(UTC)))

    async def change(self, payload: Payload, user: str = "ada") -> OperationResult:
        return await self.apply(Operation(user, "", (), datetime.now(UTC), payload=payload))

    async def accept(self, payload: Payload, user: str = "ada") -> str:
        return await self.journal.append(Operation(user, "", (), datetime.now(UTC), payload=payload))

    async def apply(self, operation: Operation) -> OperationResult:
        operation_id = await self.journal.append(operation)
        await self.worker.run_once()
        return await self.result(operation_id)

    async def result(self, operation_id: str) -> OperationResult:
        result = (await self.journal.read_operation(operation_id)).result
        assert result is not None
        return result

    async def entries(self, user: str = "ada") -> list[Entry]:
        return await self.storage.list_entries(EntryFilter(user_id=user), after=-1, limit=1000)

    async def entry(self, text: str, user: str = "ada") -> Entry:
        (found,) = [entry for entry in await self.entries(user) if text in entry.text]
        return found

    async def texts(self, user: str = "ada") -> list[str]:
        return [entry.text for entry in await self.entries(user)]


class MemoryOpener(Protocol):
    async def __call__(self, *, threshold: float = 0.0, model: LanguageModel | None = None) -> Memory: ...

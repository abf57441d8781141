"""A copy comes to its end although the store is written to as fast as it is copied."""

from __future__ import annotations

from typing import Any, cast

from simplemem_service.ingest.given import GivenEntries
from simplemem_service.ingest.reembed_build import FEW, PATIENT_ROUNDS, Builder
from simplemem_service.storage.lance_copy import Batch, EntryCopy
from tests.support.embedding import TinyEmbedding


class BusyStore:
    """A table into which each round's time brings as much again as the round copied."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.rounds = 0

    async def source_version(self) -> int:
        return 100 + self.rounds

    async def count_changed(self, _: int) -> int:
        return self.waiting

    async def read(self, _: int, after: int) -> Batch:
        self.rounds += 1
        return Batch([cast("Any", None)], after + self.waiting, is_end=True)

    async def write(self, _: object) -> None:
        """Copied, and as much has come."""


class Given:
    async def restore(self, entries: list[object]) -> list[object]:
        return entries


async def test_a_store_that_is_written_to_as_fast_as_it_is_copied_is_taken_over_after_some_rounds() -> None:
    store = BusyStore(waiting=2 * FEW)
    builder = Builder(
        cast("EntryCopy", store), cast("GivenEntries", Given()), TinyEmbedding(), lambda: None
    )  # fmt: skip
    builder.seen = 1
    await builder.approach()
    assert store.rounds == PATIENT_ROUNDS
    assert await builder.is_close()
